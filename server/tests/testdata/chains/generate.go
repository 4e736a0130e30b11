// Makes chains.jsonl: chains of certificates, each with the verdict of Go's crypto/x509 as upstream asks for it.
//
//	go run generate.go > chains.jsonl
package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"time"
)

var (
	begin  = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	now    = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end    = time.Date(2119, 1, 1, 0, 0, 0, 0, time.UTC)
	serial int64
	client = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	server = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	out    = json.NewEncoder(os.Stdout)
)

type row struct {
	Name  string   `json:"name"`
	Now   int64    `json:"now"`
	Roots [][]byte `json:"roots"`
	Chain [][]byte `json:"chain"`
	// What Go says; empty = accepted.
	Go string `json:"go"`
}

// A certificate (or what pretends to be one) and its key.
type cert struct {
	der  []byte
	name string
	key  crypto.Signer
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func p256() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func template(name string) *x509.Certificate {
	serial++
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    begin,
		NotAfter:     end,
	}
}

// Issues a certificate for `name`, changed by `change`; self-signed without issuer.
func issue(by *cert, name string, key crypto.Signer, change func(*x509.Certificate)) *cert {
	wanted := template(name)
	if change != nil {
		change(wanted)
	}
	signer, parent := key, wanted
	if by != nil {
		signer, parent = by.key, &x509.Certificate{Subject: pkix.Name{CommonName: by.name}}
		if wanted.SignatureAlgorithm == 0 {
			parent.PublicKey = by.key.Public()
		}
	}
	return &cert{must(x509.CreateCertificate(rand.Reader, wanted, parent, key.Public(), signer)), name, key}
}

func ca(by *cert, name string, change func(*x509.Certificate)) *cert {
	return issue(by, name, p256(), func(c *x509.Certificate) {
		c.BasicConstraintsValid, c.IsCA, c.KeyUsage = true, true, x509.KeyUsageCertSign
		if change != nil {
			change(c)
		}
	})
}

func leaf(by *cert, change func(*x509.Certificate)) *cert {
	return issue(by, "client", p256(), func(c *x509.Certificate) {
		c.ExtKeyUsage = client
		if change != nil {
			change(c)
		}
	})
}

type tbs struct {
	Version    int `asn1:"optional,explicit,default:0,tag:0"`
	Serial     *big.Int
	Algorithm  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	Validity   validity
	Subject    asn1.RawValue
	Key        asn1.RawValue
	Extensions []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
}
type validity struct{ NotBefore, NotAfter time.Time }
type signed struct {
	TBS       asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

var ecdsaSHA256 = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}}
var rsaSHA1 = pkix.AlgorithmIdentifier{
	Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, Parameters: asn1.NullRawValue}

func rdn(name string) asn1.RawValue {
	return asn1.RawValue{FullBytes: must(asn1.Marshal(pkix.Name{CommonName: name}.ToRDNSequence()))}
}

// By hand, for what x509.CreateCertificate does not make. `version` 0 is version 1.
func raw(by *cert, name string, key crypto.Signer, change func(*tbs, *pkix.AlgorithmIdentifier)) *cert {
	if by == nil {
		by = &cert{nil, name, key}
	}
	serial++
	body := tbs{
		Serial: big.NewInt(serial), Algorithm: ecdsaSHA256, Issuer: rdn(by.name), Validity: validity{begin, end},
		Subject: rdn(name), Key: asn1.RawValue{FullBytes: must(x509.MarshalPKIXPublicKey(key.Public()))},
	}
	outer := ecdsaSHA256
	if change != nil {
		change(&body, &outer)
	}
	encoded := must(asn1.Marshal(body))
	var digest []byte
	hash := crypto.SHA256
	if outer.Algorithm.Equal(rsaSHA1.Algorithm) {
		sum := sha1.Sum(encoded)
		digest, hash = sum[:], crypto.SHA1
	} else {
		sum := sha256.Sum256(encoded)
		digest = sum[:]
	}
	signature := must(by.key.Sign(rand.Reader, digest, hash))
	der := must(asn1.Marshal(signed{
		asn1.RawValue{FullBytes: encoded}, outer, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}}))
	return &cert{der, name, key}
}

func v1(by *cert, name string) *cert { return raw(by, name, p256(), nil) }

func extension(critical bool, id asn1.ObjectIdentifier, value []byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: value})
	}
}

var private = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}

func verdict(roots, chain [][]byte, now time.Time) string {
	pool := x509.NewCertPool()
	for _, der := range roots {
		parsed, err := x509.ParseCertificate(der)
		if err == nil {
			pool.AddCert(parsed)
		}
	}
	var first *x509.Certificate
	others := x509.NewCertPool()
	for index, der := range chain {
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			return "parse: " + err.Error()
		}
		if index == 0 {
			first = parsed
		} else {
			others.AddCert(parsed)
		}
	}
	_, err := first.Verify(x509.VerifyOptions{
		Roots: pool, Intermediates: others, KeyUsages: client, CurrentTime: now})
	if err != nil {
		return err.Error()
	}
	return ""
}

func at(when time.Time, name string, roots []*cert, chain ...*cert) {
	row := row{Name: name, Now: when.Unix()}
	for _, one := range roots {
		row.Roots = append(row.Roots, one.der)
	}
	for _, one := range chain {
		row.Chain = append(row.Chain, one.der)
	}
	row.Go = verdict(row.Roots, row.Chain, when)
	if err := out.Encode(row); err != nil {
		panic(err)
	}
}

func try(name string, root *cert, chain ...*cert) { at(now, name, []*cert{root}, chain...) }

func usages(all ...x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = all }
}

func pathLength(n int) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = n, n == 0 }
}

func main() {
	root := ca(nil, "root", nil)
	one := ca(root, "one", nil)
	two := ca(one, "two", nil)

	try("signed by the root", root, leaf(root, nil))
	try("no usage", root, leaf(root, usages()))
	try("for servers only", root, leaf(root, usages(server...)))
	try("for anything", root, leaf(root, usages(x509.ExtKeyUsageAny)))
	try("for servers and clients", root, leaf(root, usages(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)))
	try("for something unknown", root, leaf(root, func(c *x509.Certificate) {
		c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{private}
	}))
	try("an empty list of usages", root, leaf(root, func(c *x509.Certificate) {
		c.ExtKeyUsage = nil
		extension(false, asn1.ObjectIdentifier{2, 5, 29, 37}, []byte{0x30, 0})(c)
	}))
	try("a CA as client", root, one)

	oldRoot := v1(nil, "old root")
	try("version 1", root, v1(root, "client"))
	try("version 1 by a root of version 1", oldRoot, v1(oldRoot, "client"))
	try("version 3 by a root of version 1", oldRoot, leaf(oldRoot, nil))
	try("version 1 by an intermediate", root, v1(one, "client"), one)
	oldOne := v1(root, "old one")
	try("an intermediate of version 1", root, leaf(oldOne, nil), oldOne)
	try("version 2", root, raw(root, "client", p256(), func(t *tbs, _ *pkix.AlgorithmIdentifier) { t.Version = 1 }))
	try("version 3 without extensions", root, raw(root, "client", p256(), func(t *tbs, _ *pkix.AlgorithmIdentifier) { t.Version = 2 }))
	try("version 4", root, raw(root, "client", p256(), func(t *tbs, _ *pkix.AlgorithmIdentifier) { t.Version = 3 }))
	bareRoot := raw(nil, "bare root", p256(), func(t *tbs, _ *pkix.AlgorithmIdentifier) { t.Version = 2 })
	try("a root of version 3 that is no CA", bareRoot, leaf(bareRoot, nil))

	try("over an intermediate", root, leaf(one, nil), one)
	try("over two", root, leaf(two, nil), one, two)
	try("over two, sent the other way", root, leaf(two, nil), two, one)
	try("an intermediate is missing", root, leaf(two, nil), two)
	try("what is sent is not related", root, leaf(root, nil), ca(nil, "stranger", nil))
	try("unknown CA", root, leaf(ca(nil, "stranger", nil), nil))
	try("a CA of the same name", root, leaf(ca(nil, "root", nil), nil))
	at(now, "two roots of one name", []*cert{ca(nil, "root", nil), root}, leaf(root, nil))
	at(now, "no root parses", []*cert{{[]byte{1}, "", nil}}, leaf(root, nil))
	try("the root is sent too", root, leaf(one, nil), one, root)
	self := leaf(nil, nil)
	try("the certificate is its own root", self, self)
	selfServer := leaf(nil, usages(server...))
	try("its own root, for servers", selfServer, selfServer)
	try("self-signed, not a root", root, self)

	noCA := issue(root, "no CA", p256(), nil)
	try("an intermediate that is no CA", root, leaf(noCA, nil), noCA)
	notCA := issue(root, "not CA", p256(), func(c *x509.Certificate) { c.BasicConstraintsValid = true })
	try("an intermediate that says it is no CA", root, leaf(notCA, nil), notCA)
	aLeaf := leaf(root, nil)
	try("a client signs", root, issue(aLeaf, "other", p256(), nil), aLeaf)
	crlOnly := ca(root, "crl", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	try("an intermediate that may sign lists only", root, leaf(crlOnly, nil), crlOnly)
	crlRoot := ca(nil, "crl root", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	try("a root that may sign lists only", crlRoot, leaf(crlRoot, nil))
	anyRoot := ca(nil, "any root", func(c *x509.Certificate) { c.KeyUsage = 0 })
	try("a root without key usage", anyRoot, leaf(anyRoot, nil))

	short := ca(nil, "short", pathLength(0))
	shortOne := ca(short, "short one", nil)
	try("path length 0, none between", short, leaf(short, nil))
	try("path length 0, one between", short, leaf(shortOne, nil), shortOne)
	longer := ca(nil, "longer", pathLength(1))
	longerOne := ca(longer, "longer one", nil)
	longerTwo := ca(longerOne, "longer two", nil)
	try("path length 1, one between", longer, leaf(longerOne, nil), longerOne)
	try("path length 1, two between", longer, leaf(longerTwo, nil), longerOne, longerTwo)
	stub := ca(root, "stub", pathLength(0))
	stubOne := ca(stub, "stub one", nil)
	try("path length 0 of an intermediate", root, leaf(stub, nil), stub)
	try("path length 0 of an intermediate, one between", root, leaf(stubOne, nil), stub, stubOne)

	expired := func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }
	future := func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }
	last := func(c *x509.Certificate) { c.NotAfter = now }
	try("expired", root, leaf(root, expired))
	try("not valid yet", root, leaf(root, future))
	try("the last second", root, leaf(root, last))
	at(begin, "the first second", []*cert{root}, leaf(root, nil))
	expiredOne := ca(root, "expired one", expired)
	try("an intermediate expired", root, leaf(expiredOne, nil), expiredOne)
	expiredRoot := ca(nil, "expired root", expired)
	try("the root expired", expiredRoot, leaf(expiredRoot, nil))

	serverOne := ca(root, "server one", usages(server...))
	try("an intermediate for servers", root, leaf(serverOne, nil), serverOne)
	try("an intermediate for servers, a client for anything", root, leaf(serverOne, usages()), serverOne)
	clientOne := ca(root, "client one", usages(client...))
	try("an intermediate for clients", root, leaf(clientOne, usages()), clientOne)
	serverRoot := ca(nil, "server root", usages(server...))
	try("a root for servers", serverRoot, leaf(serverRoot, nil))

	try("critical and unknown", root, leaf(root, extension(true, private, []byte{5, 0})))
	try("unknown", root, leaf(root, extension(false, private, []byte{5, 0})))
	oddOne := ca(root, "odd one", extension(true, private, []byte{5, 0}))
	try("an intermediate with something critical", root, leaf(oddOne, nil), oddOne)
	oddRoot := ca(nil, "odd root", extension(true, private, []byte{5, 0}))
	try("a root with something critical", oddRoot, leaf(oddRoot, nil))
	twice := extension(false, private, []byte{5, 0})
	try("an extension twice", root, raw(root, "client", p256(), func(t *tbs, _ *pkix.AlgorithmIdentifier) {
		t.Version = 2
		t.Extensions = []pkix.Extension{{Id: private, Value: []byte{5, 0}}, {Id: private, Value: []byte{5, 0}}}
	}))
	_ = twice
	for name, value := range map[string][]byte{
		"key usage that is no bit string":      {0x55, 0x1d, 15, 2, 1, 1},
		"basic constraints with a bad boolean": {0x55, 0x1d, 19, 0x30, 3, 1, 1, 1},
		"usages that are no list":              {0x55, 0x1d, 37, 5, 0},
		"alternative names that are no list":   {0x55, 0x1d, 17, 5, 0},
		"an IP address of 5 bytes":             {0x55, 0x1d, 17, 0x30, 7, 0x87, 5, 1, 2, 3, 4, 5},
		"a host name that is not ASCII":        {0x55, 0x1d, 17, 0x30, 3, 0x82, 1, 0xe4},
		"name constraints without any":         {0x55, 0x1d, 30, 0x30, 0},
		"name constraints that break off":      {0x55, 0x1d, 30, 0x30, 4, 0xa0, 9, 0x30, 0},
	} {
		id := asn1.ObjectIdentifier{2, 5, 29, int(value[2])}
		try(name, root, leaf(root, func(c *x509.Certificate) {
			c.ExtKeyUsage = nil
			extension(false, id, value[3:])(c)
		}))
	}
	onlyOther := []byte{0x30, 9, 0xa0, 7, 6, 1, 42, 0xa0, 2, 5, 0}
	try("critical names of a kind unknown", root, leaf(root, extension(true, asn1.ObjectIdentifier{2, 5, 29, 17}, onlyOther)))
	try("names of a kind unknown", root, leaf(root, extension(false, asn1.ObjectIdentifier{2, 5, 29, 17}, onlyOther)))
	try("critical authority key identifier", root, raw(root, "client", p256(), func(t *tbs, _ *pkix.AlgorithmIdentifier) {
		t.Version = 2
		t.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 35}, Critical: true, Value: []byte{0x30, 0}}}
	}))

	try("inner and outer algorithm differ", root, raw(root, "client", p256(), func(_ *tbs, outer *pkix.AlgorithmIdentifier) {
		outer.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
	}))
	try("negative serial", root, raw(root, "client", p256(), func(t *tbs, _ *pkix.AlgorithmIdentifier) { t.Serial = big.NewInt(-5) }))
	broken := leaf(root, nil)
	broken.der = bytes.Clone(broken.der)
	broken.der[len(broken.der)-1] ^= 1
	try("a wrong signature", root, broken)
	trailing := leaf(root, nil)
	trailing.der = append(bytes.Clone(trailing.der), 0)
	try("something behind the certificate", root, trailing)

	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	rsaRoot := issue(nil, "rsa root", rsaKey, func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true })
	for _, algorithm := range []x509.SignatureAlgorithm{x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS} {
		try(algorithm.String(), rsaRoot, leaf(rsaRoot, func(c *x509.Certificate) { c.SignatureAlgorithm = algorithm }))
	}
	try("SHA1-RSA", rsaRoot, raw(rsaRoot, "client", p256(), func(t *tbs, outer *pkix.AlgorithmIdentifier) {
		t.Algorithm, *outer = rsaSHA1, rsaSHA1
	}))
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	for name, key := range map[string]crypto.Signer{
		"P-384":   must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"P-521":   must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		"Ed25519": edKey,
	} {
		other := issue(nil, name, key, func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true })
		try(name, other, leaf(other, nil))
	}
	try("P-521 key of a client", root, issue(root, "client", must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)), usages(client...)))

	// two CAs that signed each other, and neither is trusted
	keyA, keyB := p256(), p256()
	isCA := func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true }
	a, b := &cert{nil, "a", keyA}, &cert{nil, "b", keyB}
	aByB, bByA := issue(b, "a", keyA, isCA), issue(a, "b", keyB, isCA)
	try("CAs in a circle", root, leaf(a, nil), aByB, bByA)
	aByRoot := issue(root, "a", keyA, isCA)
	try("CAs in a circle, with a way out", root, leaf(a, nil), aByB, bByA, aByRoot)

	names(root)
}

// Name constraints.
func names(root *cert) {
	_, ten, _ := net.ParseCIDR("10.0.0.0/8")
	_, six, _ := net.ParseCIDR("fd00::/8")
	constraint := map[string]func(*x509.Certificate){
		"permits example.com":   func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.com"} },
		"permits .example.com":  func(c *x509.Certificate) { c.PermittedDNSDomains = []string{".example.com"} },
		"excludes example.com":  func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"example.com"} },
		"excludes a.example.com": func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"a.example.com"} },
		"permits 10/8":          func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{ten} },
		"excludes fd00::/8":     func(c *x509.Certificate) { c.ExcludedIPRanges = []*net.IPNet{six} },
		"permits mail":          func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"example.com", "a@b.org"} },
		"excludes mail":         func(c *x509.Certificate) { c.ExcludedEmailAddresses = []string{"x@example.com"} },
		"permits uri":           func(c *x509.Certificate) { c.PermittedURIDomains = []string{"example.com"} },
		"excludes uri":          func(c *x509.Certificate) { c.ExcludedURIDomains = []string{".example.com"} },
		"permits everything":    extension(true, asn1.ObjectIdentifier{2, 5, 29, 30}, []byte{0x30, 6, 0xa0, 4, 0x30, 2, 0x82, 0}),
		"a directory name, critical": extension(true, asn1.ObjectIdentifier{2, 5, 29, 30},
			[]byte{0x30, 8, 0xa0, 6, 0x30, 4, 0xa4, 2, 0x30, 0}),
		"a directory name": extension(false, asn1.ObjectIdentifier{2, 5, 29, 30},
			[]byte{0x30, 8, 0xa0, 6, 0x30, 4, 0xa4, 2, 0x30, 0}),
	}
	dns := func(names ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.DNSNames = names }
	}
	ip := func(text string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP(text)} }
	}
	mail := func(text string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.EmailAddresses = []string{text} }
	}
	uri := func(text string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.URIs = []*url.URL{must(url.Parse(text))} }
	}
	subject := map[string]func(*x509.Certificate){
		"no name":               nil,
		"example.com":           dns("example.com"),
		"A.Example.COM":         dns("A.Example.COM"),
		"badexample.com":        dns("badexample.com"),
		"*.example.com":         dns("*.example.com"),
		"one good and one not":  dns("example.com", "example.org"),
		"example.com.":          dns("example.com."),
		"10.1.2.3":              ip("10.1.2.3"),
		"192.168.0.1":           ip("192.168.0.1"),
		"fd00::1":               ip("fd00::1"),
		"x@example.com":         mail("x@example.com"),
		"x@sub.example.com":     mail("x@sub.example.com"),
		"a@B.org":               mail("a@B.org"),
		"A@b.org":               mail("A@b.org"),
		"spiffe":                uri("spiffe://sub.example.com/ns/x"),
		"https with port":       uri("https://example.com:8443/x"),
		"https to an address":   uri("https://10.1.2.3/x"),
		"urn":                   uri("urn:example:x"),
	}
	var constraints, subjects []string
	for name := range constraint {
		constraints = append(constraints, name)
	}
	for name := range subject {
		subjects = append(subjects, name)
	}
	sortStrings(constraints)
	sortStrings(subjects)
	signer := map[string]*cert{}
	for _, name := range constraints {
		signer[name] = ca(root, "constrained", constraint[name])
	}
	for _, name := range constraints {
		for _, who := range subjects {
			try(fmt.Sprintf("%s: %s", name, who), root, leaf(signer[name], subject[who]), signer[name])
		}
	}
	constrainedRoot := ca(nil, "constrained root", constraint["permits example.com"])
	try("a root permits: in", constrainedRoot, leaf(constrainedRoot, dns("example.com")))
	try("a root permits: out", constrainedRoot, leaf(constrainedRoot, dns("example.org")))
	below := ca(constrainedRoot, "below", dns("other.org"))
	try("constraints hold for intermediates", constrainedRoot, leaf(below, nil), below)
	own := leaf(root, constraint["permits example.com"])
	_ = own
	selfConstrained := ca(root, "self", func(c *x509.Certificate) {
		constraint["permits example.com"](c)
		c.DNSNames = []string{"example.org"}
	})
	try("constraints do not hold for their own certificate", root, leaf(selfConstrained, nil), selfConstrained)
}

func sortStrings(list []string) {
	for i := range list {
		for j := i; j > 0 && list[j] < list[j-1]; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
}

// Renders the configuration files from the resources in resources.json, by the operator's own code.
//
// Copy this file into internal/manifests/targetallocator of a checkout of the operator, then there:
//
//	RENDER=/path/to/resources.json OUT=/path/to/a/folder go test -run TestRender .
package targetallocator

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"sigs.k8s.io/yaml"

	"github.com/open-telemetry/opentelemetry-operator/apis/v1alpha1"
	"github.com/open-telemetry/opentelemetry-operator/apis/v1beta1"
	"github.com/open-telemetry/opentelemetry-operator/internal/manifests"
	"github.com/open-telemetry/opentelemetry-operator/internal/manifests/collector"
)

// The schema of a CustomResourceDefinition's version: the API server's defaults are in it.
func definition(t *testing.T, file, version string) *schema.Structural {
	text, err := os.ReadFile(filepath.Join("../../../config/crd/bases", file))
	require.NoError(t, err)
	var crd apiextensionsv1.CustomResourceDefinition
	require.NoError(t, yaml.Unmarshal(text, &crd))
	for _, candidate := range crd.Spec.Versions {
		if candidate.Name != version {
			continue
		}
		var internal apiextensions.JSONSchemaProps
		require.NoError(t, apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
			candidate.Schema.OpenAPIV3Schema, &internal, nil))
		structural, err := schema.NewStructural(&internal)
		require.NoError(t, err)
		return structural
	}
	t.Fatalf("%s has no version %s", file, version)
	return nil
}

// What the operator reads back after the API server stored the resource.
func stored(t *testing.T, definition *schema.Structural, resource, into any) {
	text, err := json.Marshal(resource)
	require.NoError(t, err)
	var raw map[string]any
	require.NoError(t, json.Unmarshal(text, &raw))
	defaulting.PruneNonNullableNullsWithoutDefaults(raw, definition)
	defaulting.Default(raw, definition)
	text, err = json.Marshal(raw)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

func TestRender(t *testing.T) {
	allocators := definition(t, "opentelemetry.io_targetallocators.yaml", "v1alpha1")
	collectors := definition(t, "opentelemetry.io_opentelemetrycollectors.yaml", "v1beta1")
	text, err := os.ReadFile(os.Getenv("RENDER"))
	require.NoError(t, err)
	var files map[string][]map[string]any
	require.NoError(t, json.Unmarshal(text, &files))
	for name, resources := range files {
		var otelcol *v1beta1.OpenTelemetryCollector
		var allocator *v1alpha1.TargetAllocator
		for _, resource := range resources {
			if resource["kind"] == "TargetAllocator" {
				allocator = &v1alpha1.TargetAllocator{}
				stored(t, allocators, resource, allocator)
			} else {
				otelcol = &v1beta1.OpenTelemetryCollector{}
				stored(t, collectors, resource, otelcol)
			}
		}
		if allocator == nil { // embedded: the operator makes the resource
			made, err := collector.TargetAllocator(manifests.Params{OtelCol: *otelcol})
			require.NoError(t, err)
			allocator = &v1alpha1.TargetAllocator{}
			stored(t, allocators, made, allocator)
		}
		rendered, err := ConfigMap(Params{Collector: otelcol, TargetAllocator: *allocator})
		require.NoError(t, err, name)
		path := filepath.Join(os.Getenv("OUT"), name+".yaml")
		require.NoError(t, os.WriteFile(path, []byte(rendered.Data[targetAllocatorFilename]), 0o644))
	}
}

// What a person does with the pages, done by a real browser. SCREENSHOTS names a folder for the pictures.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BROKEN, startWorld, until } from "./world.js";

const PICTURES = process.env.SCREENSHOTS ?? new URL("../../target/screenshots", import.meta.url).pathname;
const COMPONENT = "serviceMonitor/team-000/component-00/0";

/** Every page there is, by the name of its picture. */
const PAGES = {
  index: "/",
  jobs: "/debug/jobs",
  job: `/debug/job?job_id=${encodeURIComponent(COMPONENT)}`,
  targets: "/debug/targets",
  collector: "/debug/collector?collector_id=otel-collector-0",
  explain: "/explain?q=team-000",
  monitors: "/debug/monitors",
  monitor: `/debug/monitor?id=${encodeURIComponent(BROKEN)}`,
  watches: "/debug/watches",
  discovery: "/debug/discovery",
  "scrape-configs": "/debug/scrape_configs",
};

let world;
before(async () => {
  world = await startWorld();
});
after(async () => world?.close());

const rows = (page) => page.locator("tbody tr");
const cells = (page, head) => page.locator(`td[data-head="${head}"]`).allInnerTexts();

/** Nothing was asked of anybody else, and nothing failed. */
function assertClean(page) {
  assert.deepEqual(page.foreign, []);
  assert.deepEqual(page.failed, []);
}

async function takePicture(page, name) {
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

test("every page shows itself whole, asks nobody else, and needs no script", async () => {
  const page = await world.open(1100, 700, { javaScriptEnabled: false });
  for (const [name, path] of Object.entries(PAGES)) {
    const answer = await page.goto(path);
    assert.equal(answer.status(), 200, path);
    assert.ok((await page.locator("h1").innerText()).length > 3, path);
    assert.equal(await page.locator("script").count(), 0, path);
    await takePicture(page, name);
  }
  assertClean(page);
});

test("on a phone nothing has to be scrolled sideways", async () => {
  const page = await world.open(420, 700);
  for (const path of Object.values(PAGES)) {
    await page.goto(path);
    const { inner, outer } = await page.evaluate(() => ({
      inner: document.documentElement.scrollWidth,
      outer: document.documentElement.clientWidth,
    }));
    assert.ok(inner <= outer, `${path} is ${inner} wide on a screen of ${outer}`);
  }
  await page.goto(PAGES.monitors);
  // a row is a card: its heads stand beside its cells
  assert.equal(await page.locator("thead").isVisible(), false);
  await takePicture(page, "phone");
  assertClean(page);
});

test("the reader's dark setting is followed", async () => {
  const background = async (colorScheme) => {
    const page = await world.open(1100, 700, { colorScheme });
    await page.goto("/");
    const picture = await page.screenshot({ clip: { x: 500, y: 600, width: 1, height: 1 } });
    return picture.toString("base64");
  };
  assert.notEqual(await background("light"), await background("dark"));
});

test("the links of the navigation lead to their pages", async () => {
  const page = await world.open();
  await page.goto("/");
  const links = await page.locator("nav a").evaluateAll((all) => all.map((link) => [link.innerText, link.getAttribute("href")]));
  assert.ok(links.length >= 8, String(links));
  for (const [text, href] of links) {
    await page.goto("/");
    const [answer] = await Promise.all([page.waitForNavigation(), page.locator("nav a", { hasText: text }).first().click()]);
    assert.equal(answer.status(), 200, href);
    assert.equal(new URL(page.url()).pathname, href);
  }
  assertClean(page);
});

test("no link of any page leads nowhere", async () => {
  const page = await world.open();
  const seen = new Set();
  for (const path of Object.values(PAGES)) {
    await page.goto(path);
    const hrefs = await page.locator("a").evaluateAll((all) => all.map((link) => link.getAttribute("href")));
    // one of each kind: a hundred targets have a hundred links that differ in a number
    for (const href of hrefs) {
      const kind = href.replace(/=[^&]*/g, "=");
      if (seen.has(kind)) continue;
      seen.add(kind);
      const answer = await page.request.get(href, { headers: { accept: "text/html" } });
      assert.equal(answer.status(), 200, `${path} links to ${href}`);
    }
  }
  assert.ok(seen.size > 15, [...seen].join(" "));
});

test("targets are paged, and a search narrows them", async () => {
  const page = await world.open();
  await page.goto("/debug/targets?per_page=10");
  const first = await cells(page, "Job");
  assert.equal(first.length, 10);
  await page.locator('a[rel="next"]').click();
  await page.waitForURL(/page=2/);
  assert.match(await page.locator("body").innerText(), /11–20 of \d/);
  await page.locator('a[rel="prev"]').click();
  await page.waitForURL(/page=1/);
  assert.deepEqual(await cells(page, "Job"), first);
  await page.getByText("last", { exact: true }).click();
  assert.equal(await page.locator('a[rel="next"]').count(), 0);

  await page.goto("/debug/targets");
  await page.locator('input[type="search"]').fill("COMPONENT-00");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=COMPONENT-00/);
  assert.ok((await rows(page).count()) > 0);
  assert.equal(await page.locator('input[type="search"]').inputValue(), "COMPONENT-00");
  await page.locator('input[type="search"]').fill("<b>nobody & nothing</b>");
  await page.getByRole("button", { name: "Search" }).click();
  await page.waitForURL(/nobody/);
  assert.equal(await rows(page).count(), 0);
  assert.equal(await page.locator('input[type="search"]').inputValue(), "<b>nobody & nothing</b>");
  assert.equal(await page.locator("b", { hasText: "nobody" }).count(), 0);
  assertClean(page);
});

test("from a job to a target, its collector and back", async () => {
  const page = await world.open();
  await page.goto("/debug/jobs");
  await page.getByRole("link", { name: COMPONENT, exact: true }).first().click();
  await page.waitForURL(/debug\/job\?/);
  await page.locator('a[href^="/debug/collector"]').first().click();
  await page.waitForURL(/debug\/collector\?/);
  const collector = new URL(page.url()).searchParams.get("collector_id");
  assert.match(await page.locator("h1").innerText(), new RegExp(collector));
  await page.locator('a[href^="/debug/job?"]').first().click();
  await page.waitForURL(/debug\/job\?/);
  await page.goBack();
  assert.equal(new URL(page.url()).pathname, "/debug/collector");
  assertClean(page);
});

/** The first row of a search that shows this fate: followed to what is told of its target. */
async function follow(page, q, fate) {
  await page.goto("/explain");
  await page.locator('input[type="search"]').fill(q);
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=/);
  for (;;) {
    const row = rows(page).filter({ has: page.getByText(fate, { exact: true }) });
    if ((await row.count()) > 0) {
      await row.first().locator('a[href^="/explain"]').click();
      await page.waitForURL(/number=/);
      return;
    }
    const from = page.url();
    await page.locator('a[rel="next"]').click(); // as long as there is more
    await until("the next part is there", async () => page.url() !== from);
  }
}

test("a search explains why a target is where it is, and why another is not there", async () => {
  const page = await world.open();
  await follow(page, "team-000", "assigned");
  let text = await page.locator("body").innerText();
  assert.match(text, /Relabelling, rule by rule/);
  assert.match(text, /owns its address on the ring/);
  assert.match(text, /It last asked for its targets of this job\s+\d+ (s|min) ago/);
  await takePicture(page, "explain-kept");

  await follow(page, "team-000", "dropped");
  text = await page.locator("body").innerText();
  assert.match(text, /dropped by the last rule below/);
  assert.match(text, /dropped the target/);
  await takePicture(page, "explain-dropped");
  assertClean(page);
});

test("a monitor that finds nothing says what is in the way", async () => {
  const page = await world.open();
  await page.goto("/debug/monitors");
  await page.locator('input[type="search"]').fill("team-000/component-01");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=/);
  assert.equal(await rows(page).count(), 1);
  assert.match(await rows(page).first().innerText(), /wants app=bleh/);
  await rows(page).first().locator('a[href^="/debug/monitor?"]').click();
  await page.waitForURL(/debug\/monitor\?/);
  assert.match(await page.locator("body").innerText(), /wants app=bleh/);
  assert.ok((await page.locator(".bad", { hasText: "no" }).count()) > 0);
  assertClean(page);
});

test("what is unknown is told as a page, not as a blank", async () => {
  const page = await world.open();
  // upstream answers 200 for a job that it does not know
  await page.goto("/debug/job?job_id=none");
  assert.match(await page.locator(".bad").innerText(), /There is no such job/);
  for (const path of ["/debug/target?target_hash=1", "/debug/collector?collector_id=none", "/debug/monitor?id=Probe/a/b"]) {
    const answer = await page.goto(path);
    assert.equal(answer.status(), 404, path);
    assert.match(await page.locator("h1").innerText(), /Unknown/, path);
  }
  assert.deepEqual(page.foreign, []);
});

// A simulated cluster, an allocator on it, and a browser that may speak to nobody else.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const ROOT = new URL("../../", import.meta.url).pathname;
const PROGRAMS = process.env.PROGRAMS ?? join(ROOT, "target/debug");
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const PATIENCE = 60_000;

/** The monitor whose selector is wrong. */
export const BROKEN = "ServiceMonitor/team-000/component-01";

/** Waits until `probe` gives something. */
export async function until(what, probe) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
    const found = await probe();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`never: ${what}`);
}

/** Starts `program`; its output is shown if it fails. */
function start(program, args, env = {}) {
  const child = spawn(join(PROGRAMS, program), args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  let said = "";
  child.stderr.on("data", (text) => (said += text));
  child.on("error", (error) => console.error(`${program}: ${error.message}`));
  child.on("exit", (code) => code && console.error(`${program} left with ${code}:\n${said}`));
  return { child, said: () => said };
}

async function stop({ child }) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  await gone;
}

/** The simulated cluster: what it said on its first lines, by name. */
async function startCluster(dir) {
  const cluster = start("loadgen", ["cluster", "--monitors", "12", "--secrets", "4", "--dir", dir]);
  const facts = {};
  for await (const line of createInterface({ input: cluster.child.stdout })) {
    const [name, value] = line.split(/ +/);
    facts[name] = value;
    if (name === "objects") break;
  }
  return { ...cluster, ...facts };
}

/** Breaks the selector of one monitor, as a hand that slips would. */
async function breakMonitor(api) {
  const [, namespace, name] = BROKEN.split("/");
  const url = `${api}/apis/monitoring.coreos.com/v1/namespaces/${namespace}/servicemonitors/${name}`;
  const answer = await fetch(url, {
    method: "PATCH",
    headers: { "content-type": "application/merge-patch+json" },
    body: JSON.stringify({ spec: { selector: { matchLabels: { app: "bleh" } } } }),
  });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
}

async function startAllocator(config) {
  const allocator = start("target-allocator", ["--config-file", config, "--listen-addr", "127.0.0.1:0"]);
  // the port is any, so the log has to tell it
  const url = await until("the allocator listens", () => {
    const listens = allocator.said().split("\n").find((line) => line.includes('"address":"127.0.0.1:'));
    return listens && `http://${JSON.parse(listens).address}`;
  });
  await until("the allocator is ready", async () => (await fetch(`${url}/readyz`)).ok);
  return { ...allocator, url };
}

/** Every collector asks for all it has, so that there is something to tell. */
async function pollOnce(url) {
  for (const job of Object.keys(await (await fetch(`${url}/jobs`)).json())) {
    const targets = `${url}/jobs/${encodeURIComponent(job)}/targets`;
    const collectors = Object.keys(await (await fetch(targets)).json());
    await Promise.all(collectors.map((name) => fetch(`${targets}?collector_id=${name}`)));
  }
}

export async function startWorld() {
  const dir = mkdtempSync(join(tmpdir(), "browser-"));
  const cluster = await startCluster(dir);
  await breakMonitor(cluster.api);
  const allocator = await startAllocator(cluster.config);
  await pollOnce(allocator.url);
  const executablePath = process.env.BROWSER ?? BROWSERS.find(existsSync);
  if (!executablePath) throw new Error("no browser here; please install chromium, or name one in BROWSER");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  return {
    url: allocator.url,
    api: cluster.api,

    /** A tab of this size. All that it asks for, beyond the allocator or that fails, is noted in `foreign` and `failed`. */
    async open(width = 1100, height = 700, options = {}) {
      const context = await browser.newContext({ viewport: { width, height }, baseURL: allocator.url, ...options });
      const page = await context.newPage();
      page.foreign = [];
      page.failed = [];
      await context.route("**/*", (route) => {
        const url = route.request().url();
        if (url.startsWith(`${allocator.url}/`)) return route.continue();
        page.foreign.push(url);
        return route.abort();
      });
      page.on("console", (message) => message.type() === "error" && page.failed.push(message.text()));
      page.on("pageerror", (error) => page.failed.push(error.message));
      page.on("response", (answer) => answer.status() >= 400 && page.failed.push(`${answer.status()} ${answer.url()}`));
      return page;
    },

    async close() {
      await browser.close();
      await stop(allocator);
      await stop(cluster);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

// Opens pages from file:// in a headless Chromium and tells what it sees, as one JSON document.
//
//   node look.js CHROMIUM SHOTS_FOLDER|- PAGE.html...
//
// "-" takes no pictures, and lets axe look at the wide views only: the others have the same page.
//
// For each page: requests that left the file, messages of the console, the widest overflow at phone
// width, violations that axe finds in both themes, and screenshots where a folder is given.
const path = require("path");
const fs = require("fs");
const { pathToFileURL } = require("url");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const VIEWS = [
  { name: "light", colorScheme: "light", viewport: { width: 1280, height: 900 } },
  { name: "dark", colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  { name: "phone", colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
  { name: "phone-dark", colorScheme: "dark", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
];
const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

async function look(browser, file, view, shots) {
  const { name, ...options } = view;
  // The page forbids every script; the checker is one.
  const context = await browser.newContext({ ...options, bypassCSP: true });
  const page = await context.newPage();
  const url = pathToFileURL(path.resolve(file)).href;
  const seen = { view: name, requests: [], console: [] };
  page.on("request", (request) => {
    if (request.url() !== url) seen.requests.push(request.url());
  });
  page.on("console", (message) => seen.console.push(message.text()));
  page.on("dialog", (dialog) => { seen.console.push("dialog"); dialog.dismiss(); });
  await page.goto(url);
  seen.title = await page.title();
  seen.overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  seen.headings = await page.evaluate(
    () => [...document.querySelectorAll("h1,h2,h3,h4,h5,h6")].map((h) => Number(h.tagName[1])));
  seen.nameless = await page.evaluate(
    () => [...document.querySelectorAll("svg:not([aria-hidden])")].filter(
      (svg) => svg.getAttribute("role") !== "img" || !svg.querySelector("title")?.textContent
        || !svg.querySelector("desc")?.textContent).length);
  seen.pictures = await page.evaluate(() => document.querySelectorAll("svg[role=img]").length);
  seen.scripts = await page.evaluate(() => document.scripts.length);
  if (shots) {
    const base = path.join(shots, `${path.basename(file, ".html")}-${name}`);
    await page.screenshot({ path: `${base}.png`, fullPage: true });
  }
  await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
  seen.overflowOpen = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  seen.unseenRows = await page.evaluate(
    () => [...document.querySelectorAll("tbody tr")].filter((row) => {
      const box = row.getBoundingClientRect();
      return box.left < 0 || box.height === 0;
    }).length);
  if (!shots && view.deviceScaleFactor) {
    await context.close();
    return { ...seen, violations: [], incomplete: [] };
  }
  await page.evaluate(axe);
  const result = await page.evaluate(() => window.axe.run(document));
  seen.violations = result.violations.map(
    (v) => ({ id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 5).map((n) => n.html.slice(0, 200)) }));
  seen.incomplete = result.incomplete.map((v) => ({ id: v.id, impact: v.impact, count: v.nodes.length }));
  await context.close();
  if (shots && name === "light") {
    const printing = await browser.newContext({ viewport: { width: 794, height: 1123 } });
    const paper = await printing.newPage();
    await paper.goto(url);
    await paper.pdf({ path: path.join(shots, `${path.basename(file, ".html")}-print.pdf`), format: "A4", preferCSSPageSize: true });
    await paper.emulateMedia({ media: "print", colorScheme: "light" });
    await paper.screenshot({ path: path.join(shots, `${path.basename(file, ".html")}-print.png`), fullPage: true });
    await printing.close();
  }
  return seen;
}

async function main() {
  const [executablePath, folder, ...pages] = process.argv.slice(2);
  const shots = folder === "-" ? null : folder;
  const browser = await chromium.launch({ executablePath, headless: true, args: ARGUMENTS });
  const told = {};
  try {
    for (const page of pages) {
      told[page] = [];
      for (const view of VIEWS) told[page].push(await look(browser, page, view, shots));
    }
  } finally {
    await browser.close();
  }
  process.stdout.write(JSON.stringify(told, null, 1) + "\n");
}

main().catch((error) => { console.error(error); process.exit(1); });

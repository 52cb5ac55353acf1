// Visits a page with Firefox as a shopper would, and prints as JSON what came of it.
// node firefox_visit.mjs FIREFOX ADDRESS DRAWN   (run by test_widget_firefox.py)

import { createRequire } from "node:module";

const here = createRequire(new URL("../../../widget/package.json", import.meta.url));
const { default: puppeteer } = await import(here.resolve("puppeteer-core"));

const [executablePath, address, drawn] = process.argv.slice(2);
const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: true });
const tab = await browser.newPage();
const faults = [];
// Firefox tells of each domain that is too wide for a cookie; the widget looks for the widest.
const SEARCH = /^(Error: )?Cookie .rcm_vid. has been rejected for invalid domain/;
const note = (text) => SEARCH.test(text) || faults.push(text);
tab.on("pageerror", (error) => note(String(error)));
tab.on("console", (told) => {
  if (told.type() === "error" || told.text().includes("[recommender]")) note(told.text());
});
await tab.goto(address);
if (drawn) await tab.waitForSelector("[data-recommender-state=drawn]");
else await new Promise((later) => setTimeout(later, 2500));

const seen = await tab.evaluate(async () => {
  const slot = document.querySelector("[data-recommender]");
  const strip = slot.shadowRoot?.querySelector("section");
  const list = strip?.querySelector("ul");
  const widths = [...(list?.children ?? [])].map((card) => card.getBoundingClientRect().width);
  const own = slot.querySelector("p");
  document.querySelector(".buy").click();
  const before = list?.scrollLeft;
  strip?.querySelector("[part~=next]").click();
  for (let i = 0; list && list.scrollLeft === before && i < 100; i++)
    await new Promise((later) => setTimeout(later, 20));
  return {
    links: strip?.querySelectorAll("a").length ?? 0,
    widest: Math.max(0, ...widths),
    own: own.checkVisibility() && own.getBoundingClientRect().height > 0,
    scrolled: (list?.scrollLeft ?? 0) - (before ?? 0),
    bought: document.querySelector(".buy").textContent,
    price: strip?.querySelector("[part=price]")?.textContent ?? "",
  };
});
await tab.waitForFunction(
  () => !Object.keys(localStorage).some((key) => key.startsWith("rcm_event")),
);
await browser.close();
console.log(JSON.stringify({ ...seen, faults }));

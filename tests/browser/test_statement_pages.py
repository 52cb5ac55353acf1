"""The pages of figures and money in a real browser: on a screen, on a phone, on paper."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pypdf
import pytest
import statement_world
from playwright.sync_api import Browser, Page

from recommender.bootstrap import Services
from recommender.records import Shop
from recommender.shops.accounts import add_user
from world import Clock

pytestmark = pytest.mark.browser
EMAIL, PASSWORD = "finance@shop.example", "correct horse battery"
MARCH = "/statements/2026-03/1"
PAGES = ("/", "/metrics", "/statements", "/statements/now", "/invoices", "/contract", "/plan")

# What is wrong with a page, as sentences.
FAULTS = """() => {
  const faults = [];
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) faults.push(`it is ${wide} px too wide`);
  const shown = (element) => element.checkVisibility();
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")]
    .filter(shown).map((heading) => Number(heading.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) faults.push("it has not one h1");
  levels.forEach((level, i) => {
    if (level > (levels[i - 1] ?? 0) + 1) faults.push(`heading ${i} skips a level`);
  });
  for (const cell of document.querySelectorAll("th")) {
    if (!cell.scope) faults.push(`a header without scope: ${cell.textContent}`);
  }
  for (const link of document.querySelectorAll("a")) {
    if (!link.textContent.trim()) faults.push(`a link without text: ${link.href}`);
  }
  for (const picture of document.querySelectorAll("svg")) {
    const named = picture.getAttribute("aria-label") || picture.getAttribute("aria-labelledby");
    if (!named && picture.getAttribute("aria-hidden") !== "true") faults.push("an unnamed picture");
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  if (new Set(ids).size !== ids.length) faults.push("an id comes twice");

  // Contrast as WCAG 2.2 defines it.
  const parts = (color) => (color.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const luminance = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    let layers = [];
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parts(getComputedStyle(at).backgroundColor);
      layers.push([r, g, b, a]);
      if (a === 1) break;
    }
    return layers.reverse().reduce(
      (below, [r, g, b, a]) => [r, g, b].map((part, i) => part * a + below[i] * (1 - a)),
      [255, 255, 255],
    );
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !shown(element)) continue;
    const style = getComputedStyle(element);
    const color = element.closest("svg") ? style.fill : style.color;
    const pair = [luminance(parts(color)), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) faults.push(`"${text.slice(0, 40)}" has a contrast of ${ratio.toFixed(2)}`);
  }
  return faults;
}"""


@dataclass
class Finance:
    """A finance person with a browser."""

    page: Page
    address: str
    complaints: list[str]

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def lived(services: Services, shop: Shop, clock: Clock) -> Callable[[str], None]:
    def live(name: str) -> None:
        clock.at = statement_world.NOW
        database = services.database
        add_user(shop.shop_id, EMAIL, PASSWORD, database=database, now=clock(), user_id="u1")
        statement_world.live_as(name, shop, database)

    return live


@pytest.fixture
def finance(services: Services, browser: Browser) -> Iterator[Finance]:
    with (
        statement_world.served_console(services) as address,
        browser.new_context(viewport={"width": 1280, "height": 900}) as context,
    ):
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        yield Finance(page, address, complaints)
        assert complaints == []


def log_in(finance: Finance) -> None:
    page = finance.open("/login")
    page.fill("#email", EMAIL)
    page.fill("#password", PASSWORD)
    page.click("main button")
    page.wait_for_url("**/console/")


@pytest.mark.parametrize("state", ["due", "credit", "too-few", "frozen", "empty"])
def test_every_page_can_be_read_in_every_state(
    finance: Finance, lived: Callable[[str], None], state: str
) -> None:
    lived(state)
    log_in(finance)
    for path in PAGES if state == "empty" else (*PAGES, MARCH):
        page = finance.open(path)
        page.eval_on_selector_all("details", "all => all.forEach((one) => { one.open = true; })")
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(FAULTS) == [], f"{path} at {width} px"


@pytest.mark.parametrize("state", ["capped", "frozen"])
def test_on_paper_finance_has_one_page_and_the_rest_behind_it(
    finance: Finance, lived: Callable[[str], None], state: str
) -> None:
    lived(state)
    log_in(finance)
    page = finance.open(MARCH)
    first, second, *rest = pypdf.PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages
    text = first.extract_text()
    for part in ("Statement of March 2026", "Four ways", "Due for this month", "How sure are we"):
        assert part in text
    assert "Log out" not in text
    assert second.extract_text().startswith("Technical view")
    assert "2026-03-31" in "".join(page.extract_text() for page in rest)
    # A4 in points
    assert [round(float(side)) for side in first.mediabox[2:]] == [595, 842]


def test_the_band_is_drawn_once_and_told_as_a_table(
    finance: Finance, lived: Callable[[str], None]
) -> None:
    lived("credit")
    log_in(finance)
    page = finance.open(MARCH)
    assert page.locator("svg.chart:visible").count() == 1
    assert page.locator("svg.chart:visible .billed-credit").count() == 1
    page.click("text=The same in figures")
    rows = page.locator(".in-figures tbody tr")
    assert rows.count() == 12
    assert "(credit note)" in rows.last.inner_text()


def test_a_keyboard_reaches_what_scrolls(finance: Finance, lived: Callable[[str], None]) -> None:
    lived("due")
    log_in(finance)
    page = finance.open(MARCH)
    page.click("text=Technical view")
    for region in page.locator(".scroll").all():
        assert region.get_attribute("tabindex") == "0"
        assert region.get_attribute("aria-label")

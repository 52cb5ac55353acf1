"""Consent platforms as shops have them: what is stored and sent before and after a choice."""

import pytest
from playwright.sync_api import Page
from shop_pages import PRODUCT, slot, view_item
from widget_store import Store

pytestmark = pytest.mark.browser

STORED = (
    "Object.keys(localStorage).concat(Object.keys(sessionStorage)).filter((k) => /^rcm/.test(k))"
)

# Each platform: its script, and what it does when the shopper chooses.
PLATFORMS = {
    "TCF": (
        """window.listeners = [];
        window.__tcfapi = (command, version, callback) => {
          if (command !== "addEventListener" || version !== 2) throw new Error("not of TCF 2.2");
          listeners.push(callback);
          const purpose = { consents: {} };
          callback({ eventStatus: "cmpuishown", gdprApplies: true, purpose }, true);
        };
        window.choose = (yes) => listeners.forEach((tell) => tell({
          eventStatus: "useractioncomplete", gdprApplies: true,
          purpose: { consents: { 1: yes, 5: yes, 6: yes, 8: yes } } }, true));"""
    ),
    "Google": (
        """window.dataLayer = window.dataLayer || [];
        function gtag() { dataLayer.push(arguments) }
        const all = (state) => ({ ad_storage: state, analytics_storage: state, ad_user_data: state,
          ad_personalization: state });
        gtag("consent", "default", all("denied"));
        window.choose = (yes) => gtag("consent", "update", all(yes ? "granted" : "denied"));"""
    ),
    "Shopify": (
        """let allowed = false;
        const isAllowed = () => allowed;
        window.Shopify = { customerPrivacy: {
          analyticsProcessingAllowed: isAllowed, preferencesProcessingAllowed: isAllowed } };
        window.choose = (yes) => { allowed = yes;
          document.dispatchEvent(new CustomEvent("visitorConsentCollected")) };"""
    ),
    "WordPress": (
        """let allowed = false;
        window.wp_consent_type = "optin";
        window.wp_has_consent = () => allowed;
        window.choose = (yes) => { allowed = yes;
          document.dispatchEvent(new CustomEvent("wp_listen_for_consent_change")) };"""
    ),
}


def open_product(store: Store, platform: str) -> Page:
    """Open a product page with a consent platform that has not been answered."""
    head = f"<script>{PLATFORMS[platform]}</script>"
    store.put("/p", PRODUCT + slot("product"), head=head, json_ld=None)
    html, headers = store.shop.pages["/p"]
    layer = "window.dataLayer = window.dataLayer || []; dataLayer.push("
    entry = str(view_item("sku-4")).replace("'", '"')
    pushed = html.replace("</head>", f"<script>{layer}{entry})</script></head>")
    store.shop.pages["/p"] = (pushed, headers)
    tab = store.open("/p")
    tab.wait_for_selector("[data-recommender-state=drawn]")
    return tab


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("mode", ["implied", "required"])
def test_a_platform_decides_what_is_kept_and_sent(store: Store, platform: str, mode: str) -> None:
    store.api.config["consent"] = mode
    tab = open_product(store, platform)
    tab.wait_for_timeout(1200)
    store.flush(tab)
    tab.wait_for_timeout(200)
    assert "visitor_id" not in store.api.slates[0], "from the current page only"
    assert store.api.slates[0]["item_id"] == "sku-4"
    assert (store.api.events, store.context.cookies(), tab.evaluate(STORED)) == ([], [], [])

    tab.evaluate("choose(true)")
    store.until(lambda: store.api.of_type("view_item"))
    assert "page_view" in store.api.types()
    assert store.api.batches[0]["visitor_id"] == store.visitor_id() != ""

    tab.evaluate("choose(false)")
    assert (store.context.cookies(), tab.evaluate(STORED)) == ([], [])
    told = len(store.api.events)
    tab.evaluate("entry => { dataLayer.push(entry) }", view_item("sku-5"))
    tab.wait_for_timeout(200)
    store.flush(tab)
    tab.wait_for_timeout(200)
    assert len(store.api.events) == told


PLATFORM_AROUND = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Around</title>
<iframe name="__tcfapiLocator" hidden></iframe>
<script>
addEventListener("message", ({ data, source }) => {
  const call = data.__tcfapiCall;
  if (call?.command !== "addEventListener" || call.version !== 2) return;
  const tell = (eventStatus, consents) => source.postMessage({ __tcfapiReturn: {
    callId: call.callId, success: true,
    returnValue: { eventStatus, gdprApplies: true, purpose: { consents } } } }, "*");
  tell("cmpuishown", {});
  window.choose = (yes) => tell("useractioncomplete", { 1: yes, 5: yes, 6: yes, 8: yes });
});
</script><iframe src="%s/p" width="1200" height="700"></iframe></html>"""
"""A page of another site whose platform speaks for the shop in its frame, by TCF's messages."""


def test_a_platform_of_the_page_around_our_frame_decides(store: Store) -> None:
    store.put("/p", PRODUCT + slot("product"), data_layer=[view_item("sku-4")])
    store.shop.pages["/around"] = (PLATFORM_AROUND % store.origin, {})
    tab = store.context.new_page()
    tab.goto(f"{store.origin.replace('127.0.0.1', 'localhost')}/around")
    shop = tab.frame_locator("iframe:not([hidden])")
    shop.locator("[data-recommender-state=drawn]").wait_for()
    [framed] = [frame for frame in tab.frames if frame.url.endswith("/p")]
    assert "visitor_id" not in store.api.slates[0]
    forged = {"callId": "rcm_tcf", "success": True, "returnValue": {"gdprApplies": False}}
    framed.evaluate("told => postMessage({ __tcfapiReturn: told }, '*')", forged)
    tab.evaluate("choose(false)")
    framed.evaluate("entry => { dataLayer.push(entry) }", view_item("sku-5"))
    tab.evaluate("choose(true)")
    framed.evaluate("entry => { dataLayer.push(entry) }", view_item("sku-6"))
    store.until(lambda: store.api.of_type("view_item"))
    told = [event["items"][0]["item_id"] for event in store.api.of_type("view_item")]
    assert told == ["sku-6"], "what came before the grant was dropped by the refusal"


@pytest.mark.parametrize("mode", ["implied", "required"])
def test_global_privacy_control_is_a_refusal(store: Store, mode: str) -> None:
    store.api.config["consent"] = mode
    store.context.add_init_script(
        "Object.defineProperty(navigator, 'globalPrivacyControl', { value: true });"
    )
    store.put("/p", PRODUCT + slot("product"), data_layer=[view_item("sku-4")])
    tab = store.open("/p")
    tab.wait_for_selector("[data-recommender-state=drawn]")
    store.flush(tab)
    tab.wait_for_timeout(300)
    assert "visitor_id" not in store.api.slates[0]
    assert (store.api.events, store.context.cookies(), tab.evaluate(STORED)) == ([], [], [])
    tab.evaluate("recommender('consent', 'granted')")
    tab.reload()
    store.until(lambda: "visitor_id" in store.api.slates[-1], hurry=False)


def test_a_returning_shopper_of_a_platform_is_the_same(store: Store) -> None:
    store.api.config["consent"] = "required"
    tab = open_product(store, "TCF")
    tab.evaluate("choose(true)")
    store.until(lambda: store.api.batches)
    visitor, sessions = store.visitor_id(), {event["session_id"] for event in store.api.events}
    tab.reload()
    tab.wait_for_selector("[data-recommender-state=drawn]")
    told = len(store.api.batches)
    tab.evaluate("choose(true)")
    store.until(lambda: len(store.api.batches) > told)
    assert store.api.batches[-1]["visitor_id"] == visitor
    assert {event["session_id"] for event in store.api.events} == sessions


def test_an_id_from_the_shops_own_server_is_taken_over(store: Store) -> None:
    given = "set-by-the-server-0001"
    store.context.add_cookies([{"name": "rcm_vid", "value": given, "url": store.origin}])
    store.put("/", PRODUCT)
    store.open("/")
    store.until(lambda: store.api.batches)
    assert store.api.batches[0]["visitor_id"] == given

/** Every form of use that the types allow; `npm run types` fails when one is refused. */

import { install, type RecommendedSlate } from "./recommender.js";

const recommender = install({ shop: "pk_1", origin: "https://recommender.example" });
recommender("event", "add_to_cart", { items: [{ item_id: "SKU-1", quantity: 1, price: 9.9 }] });
recommender("event", { type: "purchase", order_id: "1001", items: [{ item_id: "SKU-1" }] });
recommender("consent", "granted");
window.recommender?.consent?.("denied");
const slate: Promise<RecommendedSlate> | undefined = recommender.slate?.("home");
slate?.then(({ items, observe }) => items.length && observe(document.body));
// @ts-expect-error there is no such event
recommender("event", "add_to_basket");
// @ts-expect-error the site key is needed
install({ origin: "https://recommender.example" });

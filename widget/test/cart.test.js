import "./browserlike.js";

import assert from "node:assert/strict";
import { test } from "node:test";

import { changeCart } from "../src/cart.js";

const fact = (type, ...items) => ({
  type,
  items: items.map(([item_id, quantity]) => ({ item_id, quantity })),
});

test("follows what goes in and out", () => {
  let cart = changeCart({}, fact("add_to_cart", ["a", 2], ["b"]));
  assert.deepEqual(cart, { a: 2, b: 1 });
  cart = changeCart(cart, fact("remove_from_cart", ["a", 1]));
  assert.deepEqual(cart, { a: 1, b: 1 });
  cart = changeCart(cart, fact("remove_from_cart", ["a"], ["never there"]));
  assert.deepEqual(cart, { b: 1 });
});

test("a look at the cart states all of it", () => {
  assert.deepEqual(changeCart({ old: 1 }, fact("view_cart", ["new", 3])), { new: 3 });
  assert.deepEqual(changeCart({ old: 1 }, fact("begin_checkout", ["new", 1])), { new: 1 });
  assert.deepEqual(changeCart({ old: 1 }, fact("view_cart")), {});
});

test("a purchase empties it; a view leaves it as it is", () => {
  assert.deepEqual(changeCart({ a: 1 }, fact("purchase", ["a", 1])), {});
  const cart = { a: 1 };
  for (const type of ["view_item", "page_view", "search"]) {
    assert.equal(changeCart(cart, fact(type, ["a", 1])), cart);
  }
});

test("an item may be called like a part of JavaScript", () => {
  const cart = changeCart({}, fact("add_to_cart", ["__proto__", 1]));
  assert.deepEqual(Object.entries(cart), [["__proto__", 1]]);
  const kept = JSON.parse(JSON.stringify(cart));
  assert.deepEqual(Object.entries(changeCart(kept, fact("add_to_cart", ["__proto__", 1]))), [
    ["__proto__", 2],
  ]);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { changeCart } from "../src/cart.js";

const fact = (type, ...items) => ({
  type,
  items: items.map(([item_id, quantity]) => ({ item_id, quantity })),
});

test("follows what goes in and out", () => {
  let cart = changeCart([], fact("add_to_cart", ["a", 2], ["b"]));
  assert.deepEqual(cart, [["a", 2], ["b", 1]]);
  cart = changeCart(cart, fact("remove_from_cart", ["a", 1]));
  assert.deepEqual(cart, [["a", 1], ["b", 1]]);
  cart = changeCart(cart, fact("remove_from_cart", ["a"], ["never there"]));
  assert.deepEqual(cart, [["b", 1]]);
});

test("a look at the cart states all of it", () => {
  assert.deepEqual(changeCart([["old", 1]], fact("view_cart", ["new", 3])), [["new", 3]]);
  assert.deepEqual(changeCart([["old", 1]], fact("view_cart")), []);
});

test("a purchase empties it", () => {
  assert.deepEqual(changeCart([["a", 1]], fact("purchase", ["a", 1])), []);
});

test("an item may be called like a part of JavaScript", () => {
  assert.deepEqual(changeCart([], fact("add_to_cart", ["__proto__", 1])), [["__proto__", 1]]);
});

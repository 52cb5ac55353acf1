/**
 * Types of the widget: of the global function that every page with the script tag has, and of the
 * module `widget.module.js`. Copy this file beside your sources.
 */

export interface RecommenderItem {
  item_id: string;
  quantity?: number;
  /** In major units, such as 19.9. */
  price?: number | string;
}

export interface RecommenderEvent {
  items?: RecommenderItem[];
  /** ISO 4217. */
  currency?: string;
  order_id?: string;
  search_term?: string;
  category?: string;
  cart_token?: string;
  checkout_id?: string;
  /** SHA-256 of the trimmed, lower-case address, in hexadecimal digits. */
  email_sha256?: string;
}

export type RecommenderEventType =
  | "page_view"
  | "view_item"
  | "view_item_list"
  | "select_item"
  | "add_to_cart"
  | "remove_from_cart"
  | "view_cart"
  | "begin_checkout"
  | "search"
  | "purchase";

export type RecommenderPlacement = "home" | "product" | "cart" | "category" | "search";

export interface RecommendedItem {
  id: string;
  title: string;
  url: string;
  image: string;
  /** In minor units, such as cents; null when unknown. */
  price_minor: number | null;
  currency: string;
  reason?: { code: string; item_id: string; text: string };
}

export interface RecommendedSlate {
  slate_id: string;
  /** Empty where there is nothing to draw, also for visitors of the control group. */
  items: RecommendedItem[];
  /** To be called, items or not, with what stands, or would stand, at the place. */
  observe(element: HTMLElement): void;
  /** To be called when the shopper chooses an item. */
  select(item_id: string): void;
}

export interface Recommender {
  (command: "event", type: RecommenderEventType, event?: RecommenderEvent): void;
  (command: "event", event: RecommenderEvent & { type: RecommenderEventType }): void;
  (command: "consent", choice: "granted" | "denied"): void;
  /** Absent until the widget has loaded. */
  readonly version?: string;
  consent?(choice: "granted" | "denied"): void;
  slate?(
    placement: RecommenderPlacement,
    context?: { item_id?: string; category?: string; search_term?: string },
  ): Promise<RecommendedSlate>;
}

/**
 * Installs the widget on the page, as the script tag does; a second time does nothing.
 * @returns The global function, also at `window.recommender`.
 */
export function install(given: {
  /** Site key, `pk_…`. */
  shop: string;
  /** Of the service, such as `https://recommender.example`. */
  origin: string;
  /** Name of the data layer, if it is not `dataLayer`. */
  layer?: string;
  /** For the style element of browsers without constructable style sheets. */
  nonce?: string;
}): Recommender;

declare global {
  interface Window {
    recommender?: Recommender;
  }
}

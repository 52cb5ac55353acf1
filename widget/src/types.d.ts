/** The records that travel between the widget's files, and what the build puts in. */

/** One item inside a fact; the server's field names. */
export interface FactItem {
  item_id: string;
  quantity?: number;
  price?: string;
}

/** Something the page told us, before it becomes an event. */
export interface Fact {
  type: string;
  items?: FactItem[];
  currency?: string;
  order_id?: string;
  search_term?: string;
  category?: string;
  placement?: string;
  slate_id?: string;
  cart_token?: string;
  checkout_id?: string;
  email_sha256?: string;
}

/** An event as the server takes it. */
export interface WidgetEvent extends Omit<Fact, "category"> {
  event_id: string;
  occurred_at: string;
  page: string;
}

export interface Stratum {
  stratum: number;
  salt: string;
  treatment_share_ppm: number;
}

export type Arm = "treatment" | "control" | "";

export interface PlacementSetting {
  n: number;
  n_min: number;
  enabled: boolean;
  title?: Record<string, string>;
}

/** Answer of `GET /v1/config/{site_key}`. */
export interface Config {
  enabled?: boolean;
  currency: string;
  language?: string;
  consent?: "implied" | "required";
  stratum?: Stratum;
  placements?: Record<string, PlacementSetting>;
}

export interface SlateItem {
  id: string;
  title: string;
  url: string;
  image: string;
  price_minor: number | null;
  currency: string;
  reason?: { code: string; item_id: string; text: string };
}

/** Answer of `GET /v1/recommendations`. */
export interface Slate {
  slate_id: string;
  arm: Arm;
  items: SlateItem[];
  fallback: string;
}

/** What a page is about, for the slate request. */
export interface Context {
  item_id?: string;
  category?: string;
  search_term?: string;
}

/** The part of the browser's Storage that is used. */
export type KeyValueStorage = Pick<
  Storage,
  "length" | "key" | "getItem" | "setItem" | "removeItem"
>;

/** Makes calls of the page; `q` holds those made before the widget was there. */
export interface Api {
  (...call: unknown[]): void;
  q?: Iterable<unknown>[];
  version?: string;
  consent?: (choice: unknown) => void;
}

declare global {
  /** Version of the widget, put in by the build. */
  const VERSION: string;

  interface Window {
    recommender?: Api;
  }
}

/** The records that travel between the widget's files, and what the build puts in. */

import type { TraceRecord } from "./trace.js";

/** One item inside a fact; the server's field names. */
export interface FactItem {
  item_id: string;
  quantity?: number;
  price?: string;
}

/** Something the page told us, before it becomes an event. */
export interface Fact {
  type: string;
  /** Who told it; absent for what the widget saw itself. Not sent. */
  source?: string;
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
export interface WidgetEvent extends Fact {
  event_id: string;
  occurred_at: string;
  page: string;
  session_id?: string;
}

export interface Stratum {
  stratum: number;
  salt: string;
  treatment_share_ppm: number;
  /** Neither arm is shown anything. */
  silent?: boolean;
}

export type ConsentState = "granted" | "denied" | "pending";

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
  /** Of ISO 4217; browsers write some currencies with fewer. */
  currency_decimals?: number;
  /** How the page's language writes amounts of this currency; none where we do not know. */
  price_patterns?: string[];
  language?: string;
  consent?: "implied" | "required";
  stratum?: Stratum;
  placements?: Record<string, PlacementSetting>;
  /** Slots placed from the console. */
  slots?: { placement: string; selector: string; position: string }[];
  /** Those of the page's language. */
  words?: Words;
  cart_button?: boolean;
  /** Asked with a token: whether it holds. Then nothing is recorded. */
  preview?: boolean;
}

/** What the widget says itself. */
export interface Words {
  heading: string;
  previous: string;
  next: string;
  add_to_cart: string;
}

/** A slate for a shop that draws by itself; without items there is nothing to draw. */
export interface Shown {
  slate_id: string;
  items: SlateItem[];
  /** To be called in both arms with what stands, or would stand, at the place. */
  observe: (element: HTMLElement) => void;
  /** The shopper chose this item. */
  select: (item_id: string) => void;
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

/** The part of the browser's Storage that is used; its own keys are what it keeps. */
export type KeyValueStorage = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Makes calls of the page; `q` holds those made before the widget was there. */
export interface Api {
  (...call: unknown[]): void;
  q?: Iterable<unknown>[];
  version?: string;
  consent?: (choice: unknown) => void;
  /** For shops that draw by themselves; waits until the page is looked at. */
  slate?: (placement: string, context?: Context) => Promise<Shown>;
  /** Only in the file for debugging. */
  diary?: TraceRecord[];
}

declare global {
  /** Version of the widget, put in by the build. */
  const VERSION: string;

  /** Whether this is the file that keeps a diary, put in by the build. */
  const DEBUG: boolean;

  interface Window {
    recommender?: Api;
  }
}

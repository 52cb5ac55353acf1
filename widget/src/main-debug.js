/** The widget with a diary, and the overlay that shows it. */

import "./main.js";

import { openDebug } from "./debug.js";

openDebug();

// What a bundler imports; global.js is what a page loads.
import { dropoff } from "./index.js";
import { options } from "./options.js";

options.load = () => import("./dropoff-banner.js");

export { dropoff };
export default dropoff;

// The bundle of all views: anywidget calls `render` where it is inline, the shim calls `mount` where a carrier brought it.
import "./order";
import { mount as draw, type Place } from "./mount";
import { VIEWS } from "./views";

export const mount = (place: Place) => draw(place, VIEWS);

export default {
  render: ({ model, el, signal, host }: Place) =>
    mount({ model, el, ...(signal && { signal }), ...(host && { host }) }),
};

/** Widgets: clips to scrub and compare, buttons for a run, and what one's own are made of. */
export { type Comparison, compare, type ScrubOptions, scrub } from './compare.ts';
export { type ControlOptions, control } from './control.ts';
export type { ClipLike } from './frames.ts';
export { createWidget, type Widget, type WidgetLook } from './widget.ts';

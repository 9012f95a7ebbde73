import type { RgbImage } from '../io/index.ts';
import { type Figure, type FigureOptions, figure } from './figure.ts';
import { drawSheet, fitImage, fitText, headingStyle, noteStyle, pixelRatio, type Sheet } from './theme.ts';

export interface FlowOptions extends FigureOptions {
  /** Flow length in pixels of full colour, the same in all panels; default: the largest of all fields. */
  maximum?: number;
  /** Width of a panel. */
  panelWidth?: number;
}

type Fields = FlowField | readonly FlowField[] | Readonly<Record<string, FlowField>>;

const [margin, gap, wheelSide] = [12, 10, 72];

/**
 * Optical flow in colours, a panel for each field, all on one scale, with the wheel as legend.
 *
 * @example flow({ teacher: flowA, student: flowB }, { maximum: 4 })
 */
export function flow(fields: Fields, options: FlowOptions = {}): Figure {
  const panels = panelsOf(fields);
  if (panels.length === 0) throw new RangeError('fields: none given; give a flow field, or an object of them by title');
  const maximum = options.maximum ?? flowMaximum(panels.map(([, field]) => field));
  return figure(
    { title: 'Optical flow', ...options },
    {
      text: `${panels.length} field${panels.length > 1 ? 's' : ''}, full colour at ${short(maximum)} px a frame`,
      png: async () => drawSheet(await layout(panels, maximum, options)),
    },
  );
}

function panelsOf(fields: Fields): [string, FlowField][] {
  if (Array.isArray(fields)) return fields.map((field: FlowField, i) => [`${i} → ${i + 1}`, field]);
  if (ArrayBuffer.isView((fields as FlowField).u)) return [['', fields as FlowField]];
  return Object.entries(fields as Readonly<Record<string, FlowField>>);
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2);
}

async function layout(panels: [string, FlowField][], maximum: number, options: FlowOptions): Promise<Sheet> {
  const { title, panelWidth = 128 } = options;
  const images = await Promise.all(panels.map(([, field]) => fitImage(flowToImage(field, maximum), panelWidth)));
  const top = margin + (title ? 26 : 0);
  const sheet: Sheet = { width: 0, height: 0, images: [], texts: [] };
  if (title) sheet.texts.push({ text: title, x: margin, y: margin + 13, style: headingStyle });
  let x = margin;
  images.forEach((image, i) => {
    const [width, height] = [image.width / pixelRatio, image.height / pixelRatio];
    sheet.images.push({ image, x, y: top });
    const text = fitText(panels[i]![0], width + gap, noteStyle.size!);
    if (text) sheet.texts.push({ text, x: x + width / 2, y: top + height + 12, style: noteStyle });
    x += width + gap;
  });
  x += 6;
  const rim = { text: `rim = ${short(maximum)} px`, x: x + wheelSide / 2, y: top + wheelSide + 13, style: noteStyle };
  sheet.texts.push(rim);
  sheet.images.push({ image: flowLegend(wheelSide * pixelRatio), x, y: top });
  const height = Math.max(wheelSide + 18, ...images.map((image) => image.height / pixelRatio));
  return { ...sheet, width: x + wheelSide + margin, height: top + height + 18 + margin / 2 };
}

/** Optical flow of an image: pixels to the right and down. */
export interface FlowField {
  /** [H, W] to the right. */
  u: Float32Array;
  /** [H, W] down. */
  v: Float32Array;
  height: number;
  width: number;
}

/** The segments of the colour wheel and their lengths: red-yellow, yellow-green, ... magenta-red. */
const segments: readonly (readonly [length: number, colour: (ramp: number) => [number, number, number]])[] = [
  [15, (ramp) => [255, ramp, 0]],
  [6, (ramp) => [255 - ramp, 255, 0]],
  [4, (ramp) => [0, 255, ramp]],
  [11, (ramp) => [0, 255 - ramp, 255]],
  [13, (ramp) => [ramp, 0, 255]],
  [6, (ramp) => [255, 0, 255 - ramp]],
];

/** The 55 colours of the Middlebury wheel, from pure right over down (Baker et al. 2007). */
export function colourWheel(): [number, number, number][] {
  return segments.flatMap(([length, colour]) =>
    Array.from({ length }, (_, i) => colour(Math.floor((255 * i) / length))),
  );
}

const unknown = 1e9;
/** As torchvision's flow_to_image: float32 machine epsilon keeps an all-zero flow white. */
const epsilon = 2 ** -23;

/** Largest flow length of the fields, unknown values (not-a-number or above 1e9) left out. */
export function flowMaximum(fields: readonly FlowField[]): number {
  let largest = 0;
  for (const { u, v } of fields) {
    for (let i = 0; i < u.length; i++) if (isKnown(u[i]!, v[i]!)) largest = Math.max(largest, Math.hypot(u[i]!, v[i]!));
  }
  return largest;
}

function isKnown(u: number, v: number): boolean {
  return Math.abs(u) < unknown && Math.abs(v) < unknown;
}

/**
 * Flow as colour: direction is hue, length is saturation, 0 is white, unknown is black; lengths above `maximum` are
 * darkened. Give panels that are compared the same maximum. Default: the field's own.
 * Source: Baker et al., "A database and evaluation methodology for optical flow"; torchvision.utils.flow_to_image.
 */
export function flowToImage(field: FlowField, maximum: number = flowMaximum([field])): RgbImage {
  const { u, v, height, width } = field;
  if (u.length !== height * width || v.length !== height * width) {
    throw new RangeError(
      `u and v: [${height}, ${width}] needs ${height * width} values, received ${u.length} and ${v.length}`,
    );
  }
  const wheel = colourWheel();
  const data = new Uint8Array(3 * height * width);
  const scale = 1 / (maximum + epsilon);
  for (let i = 0; i < u.length; i++) {
    if (isKnown(u[i]!, v[i]!)) data.set(colourOf(u[i]! * scale, v[i]! * scale, wheel), 3 * i);
  }
  return { data, height, width };
}

/** Colour of a flow vector in units of the maximum. Minus v: a rightward flow has angle -pi and thus the first colour. */
function colourOf(u: number, v: number, wheel: readonly (readonly number[])[]): number[] {
  const radius = Math.hypot(u, v);
  const position = ((Math.atan2(-v, -u) / Math.PI + 1) / 2) * (wheel.length - 1);
  const from = Math.floor(position);
  const [a, b] = [wheel[from]!, wheel[(from + 1) % wheel.length]!];
  return a.map((low, channel) => {
    const colour = (low + (position - from) * (b[channel]! - low)) / 255;
    return Math.floor(255 * (radius <= 1 ? 1 - radius * (1 - colour) : 0.75 * colour));
  });
}

/** The wheel as a disc on white: the colour of each direction and length. */
export function flowLegend(side: number): RgbImage {
  const centre = (side - 1) / 2;
  const data = new Uint8Array(3 * side * side).fill(255);
  const wheel = colourWheel();
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [u, v] = [(x - centre) / centre, (y - centre) / centre];
      const radius = Math.hypot(u, v);
      const cover = Math.min(1, Math.max(0, (1 - radius) * centre + 0.5)); // share of the pixel inside the rim
      if (cover === 0) continue;
      const inside = colourOf(u / Math.max(1, radius), v / Math.max(1, radius), wheel);
      const blended = inside.map((value) => 255 + cover * (value - 255));
      data.set(blended, 3 * (y * side + x));
    }
  }
  return { data, height: side, width: side };
}

import type { Provenance } from '../io/index.ts';
import { type Figure, figure } from './figure.ts';
import { type FlowField, flowLegend, flowMaximum, flowToImage } from './flow-colours.ts';
import { drawSheet, fitImage, noteStyle, type Sheet } from './panels.ts';
import { fitText, pixelRatio } from './theme.ts';

/** Options of `flow`. */
export interface FlowOptions {
  title?: string;
  /** Flow length in pixels of full colour, the same in all panels; default: the largest of all fields. */
  maximum?: number;
  /** Width of a panel. */
  panelWidth?: number;
  provenance?: Provenance;
}

const [margin, gap, wheelSide] = [12, 10, 72];

/**
 * Optical flow in colours, a panel for each field, all on one scale, with the wheel as legend.
 *
 * @example flow({ teacher: flowA, student: flowB }, { maximum: 4 })
 */
export function flow(
  fields: FlowField | readonly FlowField[] | Readonly<Record<string, FlowField>>,
  options: FlowOptions = {},
): Figure {
  const panels = panelsOf(fields);
  if (panels.length === 0) throw new RangeError('fields: none given; give a flow field, or an object of them by title');
  const maximum = options.maximum ?? flowMaximum(panels.map(([, field]) => field));
  const { title = 'Optical flow', provenance = {} } = options;
  return figure({
    text: `${title}: ${panels.length} field${panels.length > 1 ? 's' : ''}, full colour at ${short(maximum)} px a frame`,
    png: async () => drawSheet(await layout(panels, maximum, options)),
    provenance,
  });
}

function panelsOf(
  fields: FlowField | readonly FlowField[] | Readonly<Record<string, FlowField>>,
): [string, FlowField][] {
  if (Array.isArray(fields)) return fields.map((field: FlowField, i) => [`${i} → ${i + 1}`, field]);
  if (ArrayBuffer.isView((fields as FlowField).u)) return [['', fields as FlowField]];
  return Object.entries(fields as Readonly<Record<string, FlowField>>);
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2);
}

async function layout(
  panels: [string, FlowField][],
  maximum: number,
  { title, panelWidth = 128 }: FlowOptions,
): Promise<Sheet> {
  const images = await Promise.all(panels.map(([, field]) => fitImage(flowToImage(field, maximum), panelWidth)));
  const top = margin + (title ? 26 : 0);
  const height = Math.max(wheelSide + 18, ...images.map((image) => image.height / pixelRatio));
  const texts: Sheet['texts'][number][] = title
    ? [{ text: title, x: margin, y: margin + 13, style: { size: 15, weight: 'bold' } }]
    : [];
  const placed: Sheet['images'][number][] = [];
  let x = margin;
  images.forEach((image, i) => {
    const width = image.width / pixelRatio;
    placed.push({ image, x, y: top });
    const name = fitText(panels[i]![0], width + gap, noteStyle.size!);
    if (name) texts.push({ text: name, x: x + width / 2, y: top + image.height / pixelRatio + 12, style: noteStyle });
    x += width + gap;
  });
  placed.push({ image: flowLegend(wheelSide * pixelRatio), x: x + 6, y: top });
  texts.push({
    text: `rim = ${short(maximum)} px`,
    x: x + 6 + wheelSide / 2,
    y: top + wheelSide + 13,
    style: noteStyle,
  });
  return { width: x + 6 + wheelSide + margin, height: top + height + 18 + margin / 2, images: placed, texts };
}

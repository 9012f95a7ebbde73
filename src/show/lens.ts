import { clipFrame, type RgbImage } from '../io/index.ts';
import { frameImage } from '../io/internal.ts';
import type { RewardLens } from '../reward/index.ts';
import { drawCurve } from './curve-svg.ts';
import { type Figure, type FigureOptions, figure } from './figure.ts';
import { readSeries } from './series.ts';
import {
  drawSheet,
  fitImage,
  fitText,
  headingStyle,
  ink,
  noteStyle,
  pixelRatio,
  type Sheet,
  titleStyle,
} from './theme.ts';

export interface LensOptions extends FigureOptions {
  /** Width of a panel. */
  panelWidth?: number;
}

/** A picture with a name above and a note below. */
interface Panel {
  name: string;
  note: string;
  image: RgbImage;
}

const [margin, gap, curveHeight] = [12, 14, 170];
/** Room for a panel's words, which narrow pictures leave beside them. */
const leastSpan = 144;

/**
 * What a reward sees: the frame, the slope of the score on its pixels (red: brighter is better, blue: darker is), what
 * covering each place costs (red: the score is earned there), the frame after a climb on its pixels, and the reward
 * along the clip. Both maps lie on a faint print of the frame.
 *
 * @example lens(await reward.lens(imageReward, clip, 'a red fox in the snow'))
 */
export function lens(looked: RewardLens, options: LensOptions = {}): Figure {
  const { reward, frame, prompt } = looked;
  const { title = `${reward} on frame ${frame}: ${prompt}`, provenance = {}, panelWidth = 144 } = options;
  const climbed = looked.climb ? `, ${number(looked.climb.scores.at(-1))} after a climb` : '';
  const forms = {
    text: `${title} (score ${number(looked.score)}${climbed})`,
    png: async () => drawSheet(await layout(looked, title, panelWidth)),
  };
  return figure({ provenance }, forms);
}

function number(value: number = Number.NaN): string {
  return String(Number(value.toPrecision(3)));
}

function panelsOf(looked: RewardLens): Panel[] {
  const { clip, frame, score, gradient, occlusion, climb } = looked;
  const picture = clipFrame(clip, frame);
  const heat = (name: string, values: Float32Array): Panel => {
    const maximum = heatMaximum(values);
    const image = { data: heatImage(values, maximum, picture), height: clip.height, width: clip.width };
    return { name, note: `full colour ±${number(maximum)}`, image };
  };
  const panels = [{ name: `frame ${frame}`, note: `score ${number(score)}`, image: frameImage(clip, frame) }];
  if (gradient) panels.push(heat('gradient', brightness(gradient)));
  panels.push(heat('cost of covering', occlusion.data));
  if (climb) {
    const reached = { ...clip, data: climb.picture, frames: 1 };
    const note = `score ${number(climb.scores.at(-1))} after ${climb.scores.length - 1} steps`;
    panels.push({ name: 'after a climb', note, image: frameImage(reached, 0) });
  }
  return panels;
}

/** Slope by the brightness of each pixel: the sum over its channels, [H, W, 3] -> [H, W]. */
function brightness(gradient: Float32Array): Float32Array {
  return Float32Array.from({ length: gradient.length / 3 }, (_, i) => {
    return gradient[3 * i]! + gradient[3 * i + 1]! + gradient[3 * i + 2]!;
  });
}

async function layout(looked: RewardLens, title: string, panelWidth: number): Promise<Sheet> {
  const panels = panelsOf(looked);
  const images = await Promise.all(panels.map(({ image }) => fitImage(image, panelWidth)));
  const top = margin + 26 + 20;
  const tallest = Math.max(...images.map((image) => image.height / pixelRatio));
  const spans = images.map((image) => Math.max(leastSpan, image.width / pixelRatio));
  const width = spans.reduce((sum, span) => sum + span + gap, 2 * margin - gap);
  const curveTop = top + tallest + 22;
  const drawing = `<g transform="translate(0,${curveTop})">${await curveOf(looked, width)}</g>`;
  const sheet: Sheet = { width, height: curveTop + curveHeight, images: [], texts: [], drawing };
  const heading = fitText(title, width - 2 * margin, headingStyle.size!, 'bold');
  sheet.texts.push({ text: heading, x: margin, y: margin + 13, style: headingStyle });
  const small = { ...noteStyle, anchor: 'start', fill: ink.muted } as const;
  let x = margin;
  for (const [i, image] of images.entries()) {
    const { name, note } = panels[i]!;
    const fitted = (text: string, { size, weight }: typeof noteStyle): string =>
      fitText(text, spans[i]!, size!, weight);
    sheet.images.push({ image, x, y: top });
    sheet.texts.push({ text: fitted(name, titleStyle), x, y: top - 6, style: titleStyle });
    sheet.texts.push({ text: fitted(note, small), x, y: top + tallest + 13, style: small });
    x += spans[i]! + gap;
  }
  return sheet;
}

function curveOf({ curve, reward }: RewardLens, width: number): Promise<string> {
  const yLabel = curve.meaning === 'score' ? reward : `${reward} lost when the frame stands still`;
  const lines = readSeries({ [reward]: curve.values });
  return drawCurve({ lines, raw: [null], options: { width, height: curveHeight, xLabel: 'frame', yLabel } });
}

/** Ends of the scale: what raises and what lowers, apart for colour-blind eyes too. */
const above = [178, 24, 43];
const below = [33, 102, 172];
/** How dark the picture shines through where there is no heat. */
const shade = 0.3;

/** Length of full colour: the 99th percentile of |value|, so that single pixels do not bleach the rest. */
function heatMaximum(values: Float32Array): number {
  const sorted = values.map(Math.abs).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(0.99 * sorted.length))] ?? 0;
}

/** Values [H, W]: red above zero, blue below, on a faint grey print of the picture [H, W, 3] that they belong to. */
function heatImage(values: Float32Array, maximum: number, picture: Float32Array): Uint8Array {
  const data = new Uint8Array(3 * values.length);
  for (const [i, value] of values.entries()) {
    const strength = maximum > 0 ? Math.min(Math.abs(value) / maximum, 1) : 0;
    const light = (picture[3 * i]! + picture[3 * i + 1]! + picture[3 * i + 2]!) / 3;
    const paper = 255 * (1 - shade * Math.min(Math.max(light, 0), 1));
    const colour = value > 0 ? above : below;
    for (let c = 0; c < 3; c++) data[3 * i + c] = Math.round(paper + strength * (colour[c]! - paper));
  }
  return data;
}

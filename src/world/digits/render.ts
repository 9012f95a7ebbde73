import { EXEMPLAR_SIZE } from './exemplars.ts';
import { COLOURS, type Colour } from './vocabulary.ts';

/** Side of a frame in pixels. */
export const SIZE = 32;

/**
 * Paints a coloured digit into `frame` [32, 32, 3] with its top left corner at the integer place (x, y);
 * what falls outside the frame is cut. The frame is expected black.
 */
export function paint(frame: Float32Array, glyph: Float32Array, colour: Colour, x: number, y: number): void {
  const [red, green, blue] = COLOURS[colour];
  for (let row = 0; row < EXEMPLAR_SIZE; row++) {
    for (let column = 0; column < EXEMPLAR_SIZE; column++) {
      const [px, py] = [x + column, y + row];
      if (px < 0 || py < 0 || px >= SIZE || py >= SIZE) continue;
      const value = glyph[row * EXEMPLAR_SIZE + column]!;
      const at = 3 * (py * SIZE + px);
      frame[at] = value * red;
      frame[at + 1] = value * green;
      frame[at + 2] = value * blue;
    }
  }
}

/** Intensity-weighted centre [x, y] of an exemplar [14, 14], in its own pixel coordinates. */
export function glyphCentroid(glyph: Float32Array): [number, number] {
  let [mass, sumX, sumY] = [0, 0, 0];
  for (let i = 0; i < glyph.length; i++) {
    mass += glyph[i]!;
    sumX += glyph[i]! * (i % EXEMPLAR_SIZE);
    sumY += glyph[i]! * Math.floor(i / EXEMPLAR_SIZE);
  }
  return [sumX / mass, sumY / mass];
}

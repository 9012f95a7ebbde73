/** Grids of patches, [time, height, width] as in `video_grid_thw`. */
export type PatchGrid = readonly [time: number, height: number, width: number];

/** Number of patches of a grid. */
export function patchCount([time, height, width]: PatchGrid): number {
  return time * height * width;
}

/**
 * Row and column of each patch in the order of the tower's tokens: slice by slice, in it merge square by merge
 * square, in that row by row.
 *
 * @throws RangeError if height or width is not a multiple of `merge`.
 */
export function patchPlaces([time, height, width]: PatchGrid, merge: number): [row: number, column: number][] {
  if (height % merge !== 0 || width % merge !== 0) {
    throw new RangeError(`grid [${[time, height, width]}]: height and width must be multiples of ${merge}`);
  }
  const squareSize = merge * merge;
  const squaresAcross = width / merge;
  return Array.from({ length: time * height * width }, (_, i) => {
    const inSlice = i % (height * width);
    const square = Math.floor(inSlice / squareSize);
    const inSquare = inSlice % squareSize;
    const row = Math.floor(square / squaresAcross) * merge + Math.floor(inSquare / merge);
    return [row, (square % squaresAcross) * merge + (inSquare % merge)];
  });
}

/** Neighbouring slices of one size, which attend to themselves in one batch. */
export interface SliceRun {
  /** Slices in a row. */
  slices: number;
  /** Patches of each. */
  size: number;
}

/** The slices of several grids one after the other. */
export function sliceRuns(grids: readonly PatchGrid[]): SliceRun[] {
  const runs: SliceRun[] = [];
  for (const [time, height, width] of grids) {
    const last = runs.at(-1);
    if (last?.size === height * width) last.slices += time;
    else runs.push({ slices: time, size: height * width });
  }
  return runs;
}

/** Axes as the kernels of TensorFlow.js give them: one, several, negative, or none for all. */
export function toAxes(axis: number | readonly number[] | null | undefined, shape: readonly number[]): number[] {
  const rank = shape.length;
  if (axis === undefined || axis === null) return shape.map((_, i) => i);
  const list = typeof axis === 'number' ? [axis] : axis;
  return list.map((i) => {
    if (!Number.isInteger(i)) throw new Error(`axis ${i} is not an integer`);
    if (i < -rank || i >= rank) throw new Error(`axis ${i} is outside [-${rank}, ${rank}) for shape [${shape}]`);
    return i < 0 ? i + rank : i;
  });
}

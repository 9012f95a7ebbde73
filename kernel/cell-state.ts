/** What both threads know of the running cell at any moment, in memory that they share. */

/** Places in the shared array: each holds 0 or 1. */
export const CellState: { isRunning: 0; isInterrupted: 1; usesTensors: 2 } = {
  isRunning: 0,
  /** Asks the cell to end at its next tensor operation; who ends it puts 0 back. */
  isInterrupted: 1,
  /** The cell has computed with tensors: it may be in a native call, and will look at `isInterrupted` after it. */
  usesTensors: 2,
};

export function createCellState(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT));
}

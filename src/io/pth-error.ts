/** A PyTorch file that is broken, or that holds more than tensors and plain values. */
export class PthError extends Error {
  override name = 'PthError';
}

export { centroids, type DigitMotion, digitColour, digitMotion, STILL_BELOW } from './measures.ts';

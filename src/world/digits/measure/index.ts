export { type CaptionFidelity, type Classifier, type ClipFidelity, captionFidelity } from './fidelity.ts';
export { centroids, type DigitMotion, digitColour, digitMotion, STILL_BELOW } from './measures.ts';

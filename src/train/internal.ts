/** What other layers and their stages need beside the public surface. */
export { checkBatch, checkNet, checkNumber, checkWhole, withTensors } from './ingredients.ts';
export { learnerPart, settleTraining } from './optimiser/learner-options.ts';
export { type TrainingCurves, trainingCurves } from './run/curves.ts';

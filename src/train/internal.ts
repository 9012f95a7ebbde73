/** What other layers and their stages need beside the public surface. */
export { checkBatch, checkNet, checkNumber, checkWhole } from './checks.ts';
export { withTensors } from './ingredients.ts';
export { learnerPart, settleTraining } from './optimiser/learner-options.ts';

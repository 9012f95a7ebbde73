/**
 * Positions of the functions used here in ONNX Runtime's `OrtApi` struct (include/onnxruntime/core/session/
 * onnxruntime_c_api.h). The struct only grows at its end, so a position holds for every later release.
 */
export const slots = {
  GetErrorMessage: 2,
  CreateSessionFromArray: 8,
  Run: 9,
  CreateSessionOptions: 10,
  EnableProfiling: 14,
  DisableMemPattern: 17,
  SetSessionGraphOptimizationLevel: 23,
  CreateTensorAsOrtValue: 48,
  GetTensorMutableData: 51,
  CreateCpuMemoryInfo: 69,
  AllocatorFree: 76,
  GetAllocatorWithDefaultOptions: 78,
  ReleaseStatus: 93,
  ReleaseSession: 95,
  ReleaseValue: 96,
  ReleaseSessionOptions: 100,
  SessionEndProfiling: 110,
  CreateEnvWithGlobalThreadPools: 119,
  DisablePerSessionThreads: 120,
  CreateThreadingOptions: 121,
  AddSessionConfigEntry: 130,
  CreateAndRegisterAllocator: 144,
  SetGlobalIntraOpNumThreads: 147,
  SetGlobalInterOpNumThreads: 148,
  SetGlobalSpinControl: 149,
  SetGlobalDenormalAsZero: 155,
} as const;

/** Length of the table to read, and the version of the C API to ask for. */
export const tableLength = 160;
export const apiVersion = 20;

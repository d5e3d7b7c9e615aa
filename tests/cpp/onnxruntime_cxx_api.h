// Declarations of what docs/export.md calls of onnxruntime's C++ interface, so that a
// compiler can check the example where onnxruntime's own headers are not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

enum OrtLoggingLevel { ORT_LOGGING_LEVEL_WARNING = 2 };
enum OrtAllocatorType { OrtArenaAllocator = 1 };
enum OrtMemType { OrtMemTypeDefault = 0 };
struct OrtMemoryInfo;

namespace Ort {

struct Env {
  Env(OrtLoggingLevel level, const char* name);
};

struct SessionOptions {
  SessionOptions& SetIntraOpNumThreads(int threads);
};

struct RunOptions {};

struct MemoryInfo {
  static MemoryInfo CreateCpu(OrtAllocatorType type, OrtMemType memory);
  operator const OrtMemoryInfo*() const;
};

struct TensorTypeAndShapeInfo {
  std::size_t GetElementCount() const;
};

struct Value {
  Value(Value&&);
  template <typename T>
  static Value CreateTensor(const OrtMemoryInfo* info, T* data, std::size_t count,
                            const std::int64_t* shape, std::size_t dimensions);
  template <typename T>
  const T* GetTensorData() const;
  TensorTypeAndShapeInfo GetTensorTypeAndShapeInfo() const;
};

struct Session {
  Session(const Env& environment, const char* path, const SessionOptions& options);
  std::vector<Value> Run(const RunOptions& options, const char* const* input_names,
                         const Value* inputs, std::size_t input_count,
                         const char* const* output_names, std::size_t output_count);
};

}  // namespace Ort

// Programs: source to a cl_program, through the cache on disk.
#ifndef TENON_BACKENDS_OPENCL_PROGRAM_H_
#define TENON_BACKENDS_OPENCL_PROGRAM_H_

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "backends/opencl/device.h"

namespace tenon_opencl {

// A kernel of a program, built. Its arguments are a state of the cl_kernel: whoever sets them and
// enqueues holds `arguments`.
class CompiledKernel {
 public:
  // Of the prelude and `text`, in which a kernel is called `name`. Throws Failure: UNSUPPORTED with
  // the compiler's log if it cannot be built.
  CompiledKernel(Device& device, const std::string& name, const std::string& text);
  CompiledKernel(const CompiledKernel&) = delete;
  CompiledKernel& operator=(const CompiledKernel&) = delete;
  ~CompiledKernel();

  cl_kernel kernel() const { return kernel_; }
  const std::string& name() const { return name_; }
  std::mutex arguments;

  // Both with `arguments` held; throw Failure.
  void Set(Device& device, cl_uint number, size_t bytes, const void* value);
  void Set(Device& device, cl_uint number, cl_mem buffer) {
    Set(device, number, sizeof(void*), &buffer);
  }
  // The first time it waits for the kernel's end.
  void Enqueue(Device& device, Stream& stream, size_t items, size_t group);

 private:
  cl_program LoadOrBuild(Device& device, const std::string& text);
  cl_program BuildOnPocl(Device& device, const std::string& text);
  cl_program Load(Device& device, const std::string& key);
  cl_program Build(Device& device, const std::string& text, const std::string& options);
  void Store(cl_program program, const std::string& key) const;

  const Runtime& cl_;
  const std::string name_;
  cl_program program_ = nullptr;
  cl_kernel kernel_ = nullptr;
  bool has_run_ = false;  // under `arguments`
};

// Kernels that are compiled when they are first asked for. A kernel that cannot be built is not
// tried again. Safe from any thread.
template <class Key>
class KernelSet {
 public:
  // `text`: everything after the prelude, with a kernel called `name`. Throws UNSUPPORTED if it
  // cannot be built.
  CompiledKernel& Get(Device& device, const Key& key, const std::function<std::string()>& name,
                      const std::function<std::string(const std::string& name)>& text) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[key];
    if (entry.kernel == nullptr && entry.problem.empty()) {
      const std::string called = name();
      try {
        entry.kernel = std::make_unique<CompiledKernel>(device, called, text(called));
      } catch (const tenon::plugin::Failure& failure) {
        if (failure.code() != TENON_UNSUPPORTED) throw;
        entry.problem = failure.what();
      }
    }
    if (entry.kernel == nullptr) throw tenon::plugin::Failure(TENON_UNSUPPORTED, entry.problem);
    return *entry.kernel;
  }

 private:
  struct Entry {
    std::unique_ptr<CompiledKernel> kernel;
    std::string problem;
  };
  std::mutex mutex_;
  std::map<Key, Entry> entries_;  // under mutex_
};

// The kernels of the typed entries, by name.
class TypedKernels {
 public:
  CompiledKernel& Get(Device& device, const std::string& name,
                      const std::function<std::string(const std::string& name)>& text) {
    return kernels_.Get(
        device, name, [&] { return name; }, text);
  }

 private:
  KernelSet<std::string> kernels_;
};

}  // namespace tenon_opencl

#endif  // TENON_BACKENDS_OPENCL_PROGRAM_H_

// Every opcode on every dtype, every reducer, random programs and reductions, on the first OpenCL
// device against the kit's interpreter. Without OpenCL the test says so and is skipped. A sixth of
// the samples unless TENON_TEST_ALL=1: each kernel costs a tenth of a second to compile.
// The plug-in is in the directory TENON_BACKEND_PATH, as for core's tests.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "tenon/abi/tenon_kit_interpreter.h"
#include "tests/abi/fake_host.h"
#include "tests/codegen/cases.h"

namespace {

// With the environment's options, as core's host has them.
class Plugin {
 public:
  Plugin() {
    host_.table.option = [](void*, const char* key) noexcept -> const char* {
      return std::getenv((std::string("TENON_") + key).c_str());
    };
    const char* const directory = std::getenv("TENON_BACKEND_PATH");
    const std::string path =
        std::string(directory != nullptr ? directory : ".") + "/libtenon_backend_opencl.so";
    void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error(dlerror());
    backend = host_.Enter(reinterpret_cast<TenonEntryFn>(dlsym(library, TENON_ENTRY_SYMBOL)));
    uint32_t count = 0;
    EXPECT_EQ(backend->core->device_count(&count, &error), TENON_OK) << error.message;
    if (count != 0) {
      EXPECT_EQ(backend->core->device_open(0, &device, &error), TENON_OK) << error.message;
    }
  }
  bool f64() {
    TenonDeviceProps props = {};
    props.size = sizeof props;
    EXPECT_EQ(backend->core->device_props(0, &props, &error), TENON_OK);
    return (props.compute_dtypes & TENON_DTYPE_BIT(TENON_F64)) != 0;
  }

  const TenonBackend* backend = nullptr;
  TenonDevice device = 0;  // 0: there is none, and `error` says why
  ErrorSlot error;

 private:
  FakeHost host_;
};

// Of the process: a device is opened once.
Plugin& ThePlugin() {
  static Plugin* const plugin = new Plugin;
  return *plugin;
}

class OnDevice {
 public:
  OnDevice(const Sample& sample, const Layout& layout, unsigned seed)
      : plugin_(ThePlugin()),
        core_(*plugin_.backend->core),
        sample_(sample),
        info_(tenon_codegen::Describe(sample.text->desc)),
        case_(info_, layout, seed) {
    std::minstd_rand random(seed);
    for (size_t k = 0; k < case_.operands.size(); ++k)
      before_.push_back(
          RandomElements(random, info_.operand_dtypes[k], case_.elements[k], sample.specials));
    expected_ = before_;
  }

  void Check(TenonKernel kernel) {
    Interpret();
    std::vector<Bytes> got = before_;
    std::vector<TenonBuffer> buffers(got.size());
    ErrorSlot& error = plugin_.error;
    for (size_t k = 0; k < got.size(); ++k) {
      ASSERT_EQ(core_.mem_alloc(plugin_.device, got[k].size(), &buffers[k], &error), TENON_OK)
          << error.message;
      ASSERT_EQ(
          core_.copy_h2d(plugin_.device, 0, buffers[k], 0, got[k].data(), got[k].size(), &error),
          TENON_OK);
      case_.operands[k].buffer = buffers[k];
    }
    ASSERT_EQ(core_.kernel_launch(plugin_.device, 0, kernel, &case_.launch, &error), TENON_OK)
        << sample_.name << ": " << error.message;
    for (size_t k = 0; k < got.size(); ++k) {
      ASSERT_EQ(
          core_.copy_d2h(plugin_.device, 0, got[k].data(), buffers[k], 0, got[k].size(), &error),
          TENON_OK);
    }
    ASSERT_EQ(plugin_.backend->streams->stream_sync(plugin_.device, 0, &error), TENON_OK)
        << error.message;
    for (const TenonBuffer buffer : buffers) core_.mem_free(plugin_.device, buffer);
    for (size_t k = 0; k < got.size(); ++k) Compare(k, got[k]);
  }

 private:
  void Interpret() {
    TenonKernel kernel = 0;
    ASSERT_EQ(tenon_interpreter_create(&sample_.text->desc, &kernel, nullptr), TENON_OK);
    for (size_t k = 0; k < expected_.size(); ++k)
      case_.operands[k].buffer = reinterpret_cast<TenonBuffer>(expected_[k].data());
    ASSERT_EQ(tenon_interpreter_launch(kernel, &case_.launch, nullptr, nullptr), TENON_OK);
    tenon_interpreter_destroy(kernel);
  }
  // Also what lies between and around the elements.
  void Compare(size_t k, const Bytes& got) const {
    const uint32_t dtype = info_.operand_dtypes[k];
    const size_t item = tenon_dtype_size(dtype);
    for (size_t i = 0; i * item < got.size(); ++i) {
      uint64_t is = 0, should = 0;
      std::memcpy(&is, got.data() + i * item, item);
      std::memcpy(&should, expected_[k].data() + i * item, item);
      ASSERT_TRUE(Agree(dtype, is, should, sample_.exact))
          << sample_.name << " operand " << k << " (" << tenon_dtype_name(dtype) << ") element "
          << i << ": " << std::hex << is << ", should be " << should;
    }
  }

  Plugin& plugin_;
  const TenonCoreOps& core_;
  const Sample& sample_;
  const tenon_codegen::KernelInfo info_;
  LaunchCase case_;
  std::vector<Bytes> before_, expected_;
};

TEST(OpenclKernels, AgreeWithTheInterpreter) {
  Plugin& plugin = ThePlugin();
  if (plugin.device == 0) GTEST_SKIP() << plugin.error.message;
  const bool all = std::getenv("TENON_TEST_ALL") != nullptr;
  // Another sixth for each kind of device.
  const char* const option = std::getenv("TENON_OPENCL_ACT");
  const std::string act = option != nullptr ? option : "";
  const size_t turn = act == "gpu" ? 1 : act == "no_f64" ? 2 : 0;
  const std::vector<Sample> samples = MakeSamples();
  for (size_t i = 0; i < samples.size(); ++i) {
    if (!all && i % 6 != turn) continue;
    TenonKernel kernel = 0;
    const TenonStatus status = plugin.backend->core->kernel_create(
        plugin.device, &samples[i].text->desc, &kernel, &plugin.error);
    if (!plugin.f64() && tenon_codegen::Describe(samples[i].text->desc).uses_f64) {
      EXPECT_EQ(status, TENON_UNSUPPORTED);
      EXPECT_NE(std::strstr(plugin.error.message, "does not compute in f64"), nullptr);
      continue;
    }
    ASSERT_EQ(status, TENON_OK) << samples[i].name << ": " << plugin.error.message;
    unsigned seed = 1;
    for (const Layout& layout : LayoutsOf(samples[i], i)) {
      OnDevice(samples[i], layout, ++seed).Check(kernel);
      if (HasFatalFailure()) break;  // the next sample may say more
    }
    plugin.backend->core->kernel_destroy(plugin.device, kernel);
  }
}

}  // namespace

// Ends the process in the manner named, with kernels on the way that nothing has waited for:
//   exit_program MANNER      (the plug-in is in TENON_BACKEND_PATH)
// exit_test.py runs it and says what the manners are. A clean end has exit code 7. Every kernel is
// a new program, which the driver has to compile first.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/abi/fake_host.h"
#include "tests/abi/program_builder.h"

namespace {

constexpr int kClean = 7;
constexpr int64_t kElements = 1 << 20;

void Demand(bool holds, const char* what, const char* message = "") {
  if (holds) return;
  std::printf("%s: %s\n", what, message);
  std::fflush(stdout);
  _exit(1);
}

class Plugin {
 public:
  Plugin() {
    host_.table.option = [](void*, const char* key) noexcept -> const char* {
      return std::getenv((std::string("TENON_") + key).c_str());
    };
    const std::string path =
        std::string(std::getenv("TENON_BACKEND_PATH")) + "/libtenon_backend_opencl.so";
    void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    Demand(library != nullptr, "dlopen", path.c_str());
    backend_ = host_.Enter(reinterpret_cast<TenonEntryFn>(dlsym(library, TENON_ENTRY_SYMBOL)));
  }
  uint32_t Count() {
    ErrorSlot error;
    uint32_t count = 0;
    Demand(backend_->core->device_count(&count, &error) == TENON_OK && count != 0, "device_count",
           error.message);
    return count;
  }
  void Open() {
    Count();
    ErrorSlot error;
    Demand(backend_->core->device_open(0, &device_, &error) == TENON_OK, "open", error.message);
    Demand(backend_->core->mem_alloc(device_, 4 * kElements, &buffer_, &error) == TENON_OK,
           "mem_alloc", error.message);
  }
  // x = x + number + ... + number, `steps` times, over the first elements of the buffer.
  TenonStatus Launch(int number, TenonError* error, int64_t elements = kElements, int steps = 200) {
    const TenonKernel kernel = Create(number, steps);
    LaunchText launch({elements});
    launch.Add(buffer_, TENON_F32).Add(buffer_, TENON_F32);
    launch.launch.flags = TENON_LAUNCH_MAY_ALIAS;
    return backend_->core->kernel_launch(device_, 0, kernel, &launch.launch, error);
  }
  void Sync() {
    ErrorSlot error;
    Demand(backend_->streams->stream_sync(device_, 0, &error) == TENON_OK, "sync", error.message);
  }
  void Close() {
    backend_->core->mem_free(device_, buffer_);
    backend_->core->device_close(device_);
  }

 private:
  // Never destroyed, as core's.
  TenonKernel Create(int number, int steps) {
    ProgramBuilder p;
    const auto c = p.Const(TENON_F32, static_cast<float>(number));
    auto x = p.Input(TENON_F32);
    for (int i = 0; i < steps; ++i) x = p.Op(TENON_OP_ADD, TENON_F32, x, c);
    p.Output(x);
    const KernelText text(p);
    TenonKernel kernel = 0;
    ErrorSlot error;
    Demand(backend_->core->kernel_create(device_, &text.desc, &kernel, &error) == TENON_OK,
           "kernel_create", error.message);
    return kernel;
  }

  FakeHost host_;
  const TenonBackend* backend_ = nullptr;
  TenonDevice device_ = 0;
  TenonBuffer buffer_ = 0;
};

Plugin* plugin;  // of the process, leaked as core's is

void Pending(int kernels = 3) {
  for (int k = 0; k < kernels; ++k) {
    ErrorSlot error;
    Demand(plugin->Launch(k, &error) == TENON_OK, "launch", error.message);
  }
}

// Launches new kernels for as long as it is let.
void LaunchOnAndOn() {
  for (int k = 0;; ++k) {
    ErrorSlot error;
    const TenonStatus status = plugin->Launch(k, &error);
    if (status != TENON_OK) {
      Demand(status == TENON_FAILED_PRECONDITION, "launch", error.message);
      return;
    }
  }
}

// Runs when the statics that were there before the plug-in are destroyed.
void AfterTheDrain() {
  ErrorSlot error;
  Demand(plugin->Launch(99, &error) == TENON_FAILED_PRECONDITION, "launch at the very end",
         error.message);
  plugin->Sync();
  plugin->Close();
}

void InAChild(void (*work)()) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    work();
    std::exit(kClean);
  }
  int status = -1;
  waitpid(child, &status, 0);
  Demand(WIFEXITED(status) && WEXITSTATUS(status) == kClean, "the child's end");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string manner = argc == 2 ? argv[1] : "";
  // Statics of the program that take their time: what others have destroyed by then is missed.
  std::atexit([] { usleep(300000); });
  plugin = new Plugin;
  if (manner == "static") std::atexit(AfterTheDrain);
  if (manner == "fork first") {
    InAChild([] {
      plugin->Open();
      Pending();
    });
  }
  if (manner == "fork after discovery") {
    plugin->Count();
    InAChild([] {});
  }
  plugin->Open();
  if (manner == "nothing") return kClean;
  if (manner == "sizes") {  // drivers compile again for a larger grid
    ErrorSlot error;
    Demand(plugin->Launch(1, &error, 64) == TENON_OK, "launch", error.message);
    Demand(plugin->Launch(1, &error) == TENON_OK, "launch", error.message);
    return kClean;
  }
  if (manner == "busy" || manner == "busy later") {
    std::thread(LaunchOnAndOn).detach();
    usleep(manner == "busy" ? 300000 : 3000000);
    return kClean;
  }
  if (manner.rfind("busy thread ", 0) == 0) {
    std::thread(LaunchOnAndOn).detach();
    std::thread([&] {
      plugin->Sync();
      usleep(1000 * static_cast<useconds_t>(std::stoi(manner.substr(12))));
      std::exit(kClean);
    }).join();
  }
  Pending();
  if (manner == "exit") std::exit(kClean);
  if (manner == "thread") std::thread([] { std::exit(kClean); }).join();
  if (manner == "fork with work") InAChild([] {});
  if (manner == "closed") plugin->Close();
  return kClean;
}

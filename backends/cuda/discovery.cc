#include "backends/cuda/discovery.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/cuda/driver.h"

namespace tenon_cuda {
namespace {

constexpr int kPatienceMs = 60'000;  // a machine of many GPUs takes seconds to start

// What the child writes, followed by `count` FoundDevices.
struct Answer {
  int32_t result;
  int32_t count;
};

CUresult AskOne(const Driver& driver, int index, FoundDevice* found) {
  CUdevice device = 0;
  CUuuid uuid = {};
  size_t bytes = 0;
  CUresult result = driver.cuDeviceGet(&device, index);
  if (result == CUDA_SUCCESS)
    result = driver.cuDeviceGetName(found->name, sizeof found->name, device);
  if (result == CUDA_SUCCESS) result = driver.cuDeviceGetUuid_v2(&uuid, device);
  if (result == CUDA_SUCCESS) result = driver.cuDeviceTotalMem_v2(&bytes, device);
  memcpy(found->uuid, uuid.bytes, sizeof found->uuid);
  found->bytes = bytes;
  return result;
}

bool WriteAll(int file, const void* data, size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = write(file, at, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

// False at an early end of the file or after kPatienceMs of silence.
bool ReadAll(int file, void* data, size_t bytes, bool* silent) {
  char* at = static_cast<char*>(data);
  while (bytes > 0) {
    pollfd ready = {file, POLLIN, 0};
    const int polled = poll(&ready, 1, kPatienceMs);
    if (polled < 0 && errno == EINTR) continue;
    if (polled <= 0) {
      *silent = true;
      return false;
    }
    const ssize_t n = read(file, at, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

[[noreturn]] void Child(const Driver& driver, int file) {
  Answer answer = {driver.cuInit(0), 0};
  int count = 0;
  if (answer.result == CUDA_SUCCESS) answer.result = driver.cuDeviceGetCount(&count);
  answer.count = count;
  bool written = WriteAll(file, &answer, sizeof answer);
  for (int i = 0; written && i < count; ++i) {
    FoundDevice found = {};
    // A device that cannot be asked is listed without a name; opening it says more.
    if (AskOne(driver, i, &found) != CUDA_SUCCESS) found.bytes = 0;
    written = WriteAll(file, &found, sizeof found);
  }
  _exit(0);  // no handlers, no destructors: they are the parent's
}

std::string Ending(pid_t child, bool silent) {
  if (silent) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return "did not answer for " + std::to_string(kPatienceMs / 1000) + " seconds";
  }
  int status = 0;
  if (waitpid(child, &status, 0) == child && WIFSIGNALED(status)) {
    return std::string("crashed: ") + strsignal(WTERMSIG(status));
  }
  return "ended without an answer";
}

// Fills `answer` and `devices`, or says what went wrong.
std::string AskInChild(const Driver& driver, Answer* answer, std::vector<FoundDevice>* devices) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::string("no pipe: ") + strerror(errno);
  const pid_t child = fork();
  if (child < 0) {
    std::string reason = std::string("no child process: ") + strerror(errno);
    close(ends[0]);
    close(ends[1]);
    return reason;
  }
  if (child == 0) {
    close(ends[0]);
    Child(driver, ends[1]);
  }
  close(ends[1]);
  bool silent = false, whole = ReadAll(ends[0], answer, sizeof *answer, &silent);
  for (int i = 0; whole && answer->result == CUDA_SUCCESS && i < answer->count; ++i) {
    FoundDevice found;
    whole = ReadAll(ends[0], &found, sizeof found, &silent);
    if (whole) devices->push_back(found);
  }
  close(ends[0]);
  const std::string ending = Ending(child, silent);
  return whole ? "" : "the process that was to ask the driver " + ending;
}

std::string Release(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Discovery Ask() {
  Discovery found;
  const Driver& driver = GetDriver();
  if (!driver.ready()) {
    found.problem = driver.problem();
    return found;
  }
  const std::string present =
      "an NVIDIA driver is present (CUDA " + Release(driver.version()) + ")";
  Answer answer = {CUDA_SUCCESS, 0};
  int count = 0;
  if (driver.cuDeviceGetCount(&count) == CUDA_SUCCESS) {  // initialised already, by someone else
    for (int i = 0; i < count; ++i) {
      FoundDevice device = {};
      AskOne(driver, i, &device);
      found.devices.push_back(device);
    }
  } else {
    const std::string problem = AskInChild(driver, &answer, &found.devices);
    if (!problem.empty()) {
      found.devices.clear();
      found.problem = present + ", but " + problem;
      return found;
    }
  }
  const auto result = static_cast<CUresult>(answer.result);
  if (result == CUDA_ERROR_NO_DEVICE || (result == CUDA_SUCCESS && found.devices.empty())) {
    found.problem = present + ", but it finds no device; is CUDA_VISIBLE_DEVICES set?";
  } else if (result != CUDA_SUCCESS) {
    found.problem = present + ", but does not start: " + driver.Describe(result);
  }
  return found;
}

}  // namespace

const Discovery& Discover() {
  static const Discovery* const found = new Discovery(Ask());  // leaked, like the driver
  return *found;
}

}  // namespace tenon_cuda

// devices: what Tenon finds on this machine.
//
//   bazel run //tools:devices              // backends, devices, memory, fallbacks
//   bazel run //tools:devices -- --try     // the same after a small piece of work on every device
//
// Exits with 1 where a device failed the work of --try.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/device/device_state.h"
#include "tenon/device/loader.h"
#include "tenon/device/memory.h"
#include "tenon/device/plan.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/join.h"
#include "tenon/ops/matmul.h"
#include "tenon/ops/reduce.h"
#include "tenon/tensor/tensor.h"
#include "tools/command_line.h"
#include "tools/text_table.h"

namespace tenon::tools {
namespace {

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void print_section(std::string_view title) { print(concat_text("\n", title, "\n")); }

std::string state_text(BackendReport::State state) {
  switch (state) {
    case BackendReport::State::kFound:
      return "found, not opened";
    case BackendReport::State::kLoaded:
      return "loaded";
    case BackendReport::State::kRefused:
      return "refused";
    case BackendReport::State::kDisabled:
      return "disabled";
    case BackendReport::State::kShadowed:
      return "shadowed";
  }
  return "?";
}

// A backend that was refused early has said nothing of itself.
std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

void print_backends() {
  print(concat_text("Tenon's backend interface: version ", TENON_ABI_MAJOR, ".", TENON_ABI_MINOR,
                    "\n"));
  print_section("Backends, in the order of search");
  TextTable table({"name", "state", "ABI", "version", "devices", "where, and why not"});
  for (const BackendReport& r : backend_reports()) {
    const bool known = r.abi_major != 0 || r.abi_minor != 0;
    std::string where = r.path.empty() ? "built in" : r.path;
    if (!r.reason.empty()) where += "\n" + r.reason;
    const bool loaded = r.state == BackendReport::State::kLoaded;
    table.add({or_dash(r.name), state_text(r.state),
               known ? concat_text(r.abi_major, ".", r.abi_minor) : "-",
               or_dash(r.vendor.empty() ? r.version : r.vendor + " " + r.version),
               loaded ? std::to_string(r.devices) : "-", where});
  }
  print(table.text("  "));
  std::string searched = "Looked for libtenon_backend_<name>.so in";
  std::error_code error;
  for (const std::string& directory : settings_from_environment().directories) {
    const bool there = std::filesystem::is_directory(directory, error);
    searched += "\n    " + directory + (there ? "" : " (not there)");
  }
  print("  " + searched + "\n");
}

// "float32 float64", or what is missing where that is shorter.
std::string dtypes_text(uint64_t mask) {
  std::string there, missing;
  int count = 0;
  for (int i = 1; i < kDTypeCount; ++i) {
    const bool in = mask >> i & 1;
    count += in;
    (in ? there : missing) += " " + std::string(dtype_name(static_cast<DType>(i)));
  }
  if (count == kDTypeCount - 1) return "every dtype";
  if (count > kDTypeCount / 2) return "every dtype but" + missing;
  return count == 0 ? "nothing" : there.substr(1);
}

std::string memory_text(DeviceState& device) {
  uint64_t free = 0, total = device.props.total_bytes;
  if (const auto mem_info = device.tables->memory.mem_info) {
    TenonError error = new_error();
    const CallGuard guard(device);
    if (mem_info(device.handle, &free, &total, &error) == TENON_OK) {
      return bytes_text(free) + " free of " + bytes_text(total);
    }
  }
  return total ? bytes_text(total) : "size unknown";
}

void print_device(Device device) {
  DeviceState& state = device.state();
  const TenonDeviceProps& props = state.props;
  int opcodes = 0;
  for (const uint64_t word : props.opcodes) opcodes += __builtin_popcountll(word);
  print(concat_text("  ", device.text(), ": ", static_cast<const char*>(props.name), "\n"));
  const auto line = [](std::string_view name, std::string_view value) {
    for (const std::string& piece : wrap(value, kTextWidth - 15)) {
      print(concat_text("    ", name, std::string(11 - name.size(), ' '), piece, "\n"));
      name = "";
    }
  };
  line("memory",
       concat_text(memory_text(state), state.host_addressable ? ", readable by the host" : "",
                   ", aligned to ", props.min_alignment));
  if (state.tables->core.kernel_create) {
    line(
        "work",
        concat_text(state.synchronous ? "done when a call returns" : "in streams, beside the host",
                    "; ", opcodes, " of ", TENON_OPCODE_COUNT - 1, " opcodes; programs of at most ",
                    props.max_instrs, " instructions, ", props.max_operands, " operands"));
  } else {
    line("work", "none: it only stores, the host computes");
  }
  line("stores", dtypes_text(props.storage_dtypes));
  line("computes", dtypes_text(props.compute_dtypes));
}

void print_devices() {
  print_section("Devices");
  for (const BackendReport& r : backend_reports()) {
    if (r.state != BackendReport::State::kLoaded) continue;
    for (int i = 0; i < r.devices; ++i) {
      const std::string name = concat_text(r.name, ":", i);
      try {
        print_device(Device(name));
      } catch (const Error& e) {
        print(concat_text("  ", name, ": cannot be opened\n"));
        for (const std::string& piece : wrap(e.what(), kTextWidth - 4))
          print(concat_text("    ", piece, "\n"));
      }
    }
  }
}

// An elementwise operation with gradient, a reduction, a product and a gather. Returns what went
// wrong.
std::string try_device(Device device) {
  try {
    Tensor x = tensor({{1.0f, 2.0f}, {3.0f, 4.0f}}, device).requires_grad_();
    const Tensor rows = tensor<int64_t>({1, 0}, device);
    sum(matmul(exp(x), take(x, rows))).backward();
    // Of x00 = 1: once in e^x00 (3 + 4), once in (e^x01 + e^x11) x00.
    const double gradient = x.grad().at({0, 0}).item();
    const double expected = 2.718281828459045 * 7 + 7.38905609893065 + 54.598150033144236;
    if (!(gradient > expected - 1e-3 && gradient < expected + 1e-3)) {
      return concat_text("gives ", gradient, " for ", expected);
    }
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

void print_memory() {
  print_section("Memory handed out by Tenon's cache");
  TextTable table({"device", "in use", "at most", "kept", "allocations", "asked of the device"});
  for (const Device device : devices()) {
    const MemoryStats s = memory_stats(device);
    table.add({device.text(), bytes_text(s.in_use), bytes_text(s.peak_in_use),
               bytes_text(s.reserved), std::to_string(s.allocations),
               concat_text(s.raw_allocations, ", given back ", s.raw_frees)});
  }
  print(table.text("  "));
}

void print_fallbacks() {
  print_section("Operations that a device left to the host");
  const std::vector<FallbackCount> counts = fallback_counts();
  if (counts.empty()) {
    print("  none\n");
    return;
  }
  TextTable table({"device", "times", "operation"});
  for (const FallbackCount& f : counts) table.add({f.device, std::to_string(f.count), f.operation});
  print(table.text("  "));
  print("  TENON_FALLBACK=error forbids them\n");
}

int run(bool try_all) {
  print_backends();
  print_devices();
  int failures = 0;
  if (try_all) {
    print_section("A small piece of work: sum(matmul(exp(x), take(x, rows))).backward()");
    TextTable table({"device", "result"});
    for (const Device device : devices()) {
      const std::string wrong = try_device(device);
      failures += !wrong.empty();
      table.add({device.text(), wrong.empty() ? "right" : wrong});
    }
    print(table.text("  "));
  }
  print_memory();
  print_fallbacks();
  return failures ? 1 : 0;
}

}  // namespace
}  // namespace tenon::tools

int main(int argc, char** argv) {
  bool try_all = false;
  tenon::tools::CommandLine line("devices", "Shows the backends and devices that Tenon finds.");
  line.flag("--try", &try_all, "run a small piece of work on every device");
  if (!line.parse(argc, argv)) return line.exit_status();
  try {
    return tenon::tools::run(try_all);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "devices: %s\n", e.what());
    return 1;
  }
}

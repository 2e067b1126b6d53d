// From an entry function to a Backend: nothing of a plugin is used before it was checked here.
#include <cstring>

#include "tenon/device/backend.h"
#include "tenon/device/host_services.h"
#include "tenon/device/mask.h"

namespace tenon {
namespace {

constexpr uint32_t kMaxTableSize = 64 * 1024;
constexpr uint32_t kMaxDeviceCount =
    4096;  // of one backend; far above any machine, far below a garbage number

std::string version_text(uint32_t major, uint32_t minor) { return concat_text(major, ".", minor); }

// Copies as many bytes as both sides know into a zeroed table of our own. False: its size cannot be
// right.
template <class Table>
bool copy_table(const Table* given, uint32_t least, Table* own) {
  uint32_t size;
  memcpy(&size, given, sizeof size);
  if (size < least || size % 8 != 0 || size > kMaxTableSize) return false;
  memset(static_cast<void*>(own), 0, sizeof *own);
  memcpy(static_cast<void*>(own), given, size < sizeof *own ? size : sizeof *own);
  own->size = size < sizeof *own ? size : static_cast<uint32_t>(sizeof *own);
  return true;
}

template <class Table>
uint32_t given_size(const Table* given) {
  uint32_t size;
  memcpy(&size, given, sizeof size);
  return size;
}

bool good_name(std::string_view name) {
  if (name.empty() || name.size() > 31) return false;
  for (char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return false;
  }
  return true;
}

// Collects the names of missing functions.
struct Missing {
  std::string names;
  int present = 0;
  template <class Function>
  void need(Function function, const char* name) {
    if (function) {
      ++present;
    } else {
      names += names.empty() ? "" : ", ";
      names += name;
    }
  }
};
#define TENON_NEED(missing, table, function) (missing).need((table).function, #function)

std::string check_core(const TenonCoreOps& t) {
  Missing memory, compute;
  TENON_NEED(memory, t, device_count);
  TENON_NEED(memory, t, device_props);
  TENON_NEED(memory, t, device_open);
  TENON_NEED(memory, t, device_close);
  TENON_NEED(memory, t, mem_alloc);
  TENON_NEED(memory, t, mem_free);
  TENON_NEED(memory, t, copy_h2d);
  TENON_NEED(memory, t, copy_d2h);
  TENON_NEED(memory, t, copy_d2d);
  if (!memory.names.empty()) return concat_text("its core table lacks ", memory.names);
  TENON_NEED(compute, t, kernel_create);
  TENON_NEED(compute, t, kernel_destroy);
  TENON_NEED(compute, t, kernel_launch);
  if (compute.present != 0 && !compute.names.empty()) {
    return concat_text("its core table has some of the three kernel functions but lacks ",
                       compute.names);
  }
  return {};
}

// stream_import and stream_native are no part of the group.
std::string check_streams(const TenonStreamOps& t) {
  Missing group;
  TENON_NEED(group, t, stream_create);
  TENON_NEED(group, t, stream_destroy);
  TENON_NEED(group, t, stream_sync);
  TENON_NEED(group, t, stream_query);
  TENON_NEED(group, t, event_create);
  TENON_NEED(group, t, event_destroy);
  TENON_NEED(group, t, event_record);
  TENON_NEED(group, t, event_wait);
  TENON_NEED(group, t, event_sync);
  TENON_NEED(group, t, event_query);
  if (group.present != 0 && !group.names.empty()) {
    return concat_text("its streams group is incomplete (all or none): it lacks ", group.names);
  }
  return {};
}

std::string check_memory(const TenonMemOps& t) {
  Missing pinned;
  TENON_NEED(pinned, t, pinned_alloc);
  TENON_NEED(pinned, t, pinned_free);
  if (pinned.present != 0 && !pinned.names.empty()) {
    return concat_text("its memory table has only one of the two pinned functions: it lacks ",
                       pinned.names);
  }
  return {};
}
#undef TENON_NEED

std::string check_props(const TenonDeviceProps& p, const BackendTables& tables, uint32_t index) {
  const std::string device = concat_text(tables.name, ":", index);
  if (p.min_alignment == 0 || (p.min_alignment & (p.min_alignment - 1)) != 0) {
    return concat_text("device_props of ", device, ": min_alignment ", p.min_alignment,
                       " is not a power of two");
  }
  if (tables.core.kernel_create && (p.max_operands < 8 || p.max_instrs < 32 || p.max_scalars < 4)) {
    return concat_text("device_props of ", device, ": limits of ", p.max_operands, " operands, ",
                       p.max_instrs, " instructions, ", p.max_scalars,
                       " scalars are below the least allowed (8, 32, 4)");
  }
  if ((p.flags & TENON_DEVICE_HOST_ADDRESSABLE) && tables.streams.stream_create) {
    return concat_text(
        "device_props of ", device,
        ": HOST_ADDRESSABLE devices are synchronous, but the backend has a streams group");
  }
  return {};
}

std::string message_of(TenonStatus status, TenonError& error) {
  error.message[sizeof error.message - 1] = 0;
  return concat_text(status_name(status), error.message[0] ? ": " : "", error.message);
}

// An optional table; false with a reason if it is there and broken.
template <class Table>
bool copy_optional(const Table* given, const char* name, Table* own, std::string* reason) {
  if (!given) return true;  // own is zero
  if (copy_table(given, 8, own)) return true;
  *reason = concat_text("its ", name, " table has the impossible size ", given_size(given));
  return false;
}

std::string read_devices(Backend& backend) {
  const TenonCoreOps& core = backend.tables.core;
  TenonError error = new_error();
  uint32_t count = 0;
  const TenonStatus counted = core.device_count(&count, &error);
  error.message[sizeof error.message - 1] = 0;
  if (counted != TENON_OK) {
    // The plugin is sound; this machine has nothing for it (no driver, say).
    backend.no_device_reason = error.message[0] ? error.message : std::string(status_name(counted));
    return {};
  }
  if (count == 0) {
    backend.no_device_reason = error.message[0] ? error.message : "it gave no reason";
    return {};
  }
  if (count > kMaxDeviceCount) return concat_text("device_count claims ", count, " devices");
  for (uint32_t i = 0; i < count; ++i) {
    TenonDeviceProps props{};
    props.size = sizeof props;
    error = new_error();
    const TenonStatus status = core.device_props(i, &props, &error);
    if (status != TENON_OK)
      return concat_text("device_props(", i, ") failed: ", message_of(status, error));
    props.name[sizeof props.name - 1] = props.uuid[sizeof props.uuid - 1] = 0;
    if (props.min_alignment == 0) props.min_alignment = 1;  // 0 means default
    if (std::string bad = check_props(props, backend.tables, i); !bad.empty()) return bad;
    backend.props.push_back(props);
  }
  backend.slots = std::make_unique<Backend::Slot[]>(count);
  return {};
}

// Everything but calling the entry.
std::string check_and_copy(const TenonBackend* given, std::string_view expected_name,
                           BackendReport* report, Backend* backend) {
  if (!given) return "its entry function returned OK and no table";
  TenonBackend own{};
  constexpr uint32_t least = offsetof(TenonBackend, core) + sizeof(void*);
  if (!copy_table(given, least, &own))
    return concat_text("its backend table has the impossible size ", given_size(given));
  report->abi_major = own.abi_major;
  report->abi_minor = own.abi_minor;
  if (own.name && good_name(std::string_view(own.name, strnlen(own.name, 32)))) {
    backend->tables.name = own.name;
  } else {
    return concat_text(
        "its name ",
        own.name ? concat_text("'", std::string(own.name, strnlen(own.name, 40)), "'") : "(NULL)",
        " is not of the form [a-z0-9_]{1,31}");
  }
  if (report->name.empty()) report->name = backend->tables.name;
  if (!expected_name.empty() && backend->tables.name != expected_name) {
    return concat_text("the file is named for '", expected_name, "' but its table says '",
                       backend->tables.name, "'");
  }
  if (own.abi_major != TENON_ABI_MAJOR || own.abi_minor != TENON_ABI_MINOR) {
    return concat_text("needs ABI ", version_text(own.abi_major, own.abi_minor),
                       ", this Tenon provides ABI ", version_text(TENON_ABI_MAJOR, TENON_ABI_MINOR),
                       " and version 0 demands an exact match; rebuild the plugin with this "
                       "tenon_backend.h or use the "
                       "Tenon it was built for");
  }
  BackendTables& tables = backend->tables;
  tables.vendor = report->vendor = own.vendor ? own.vendor : "";
  tables.version = report->version = own.version ? own.version : "";
  tables.flags = own.flags;
  tables.query_extension = own.query_extension;
  tables.shutdown = own.shutdown;
  if (!own.core) return "it has no core table";
  if (!copy_table(own.core, 8, &tables.core)) {
    return concat_text("its core table has the impossible size ", given_size(own.core));
  }
  std::string reason;
  if (!copy_optional(own.streams, "streams", &tables.streams, &reason) ||
      !copy_optional(own.memory, "memory", &tables.memory, &reason) ||
      !copy_optional(own.tensor, "tensor", &tables.tensor, &reason) ||
      !copy_optional(own.fused, "fused", &tables.fused, &reason)) {
    return reason;
  }
  if (reason = check_core(tables.core); !reason.empty()) return reason;
  if (reason = check_streams(tables.streams); !reason.empty()) return reason;
  if (reason = check_memory(tables.memory); !reason.empty()) return reason;
  mask_tables(&tables);
  return read_devices(*backend);
}

}  // namespace

std::string_view status_name(TenonStatus status) {
  switch (status) {
    case TENON_OK:
      return "OK";
    case TENON_UNSUPPORTED:
      return "UNSUPPORTED";
    case TENON_INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case TENON_OUT_OF_MEMORY:
      return "OUT_OF_MEMORY";
    case TENON_DEVICE_LOST:
      return "DEVICE_LOST";
    case TENON_INTERNAL:
      return "INTERNAL";
    case TENON_NOT_READY:
      return "NOT_READY";
    case TENON_FAILED_PRECONDITION:
      return "FAILED_PRECONDITION";
    case TENON_INCOMPATIBLE:
      return "INCOMPATIBLE";
    default:
      return "an unknown status";
  }
}

std::unique_ptr<Backend> register_backend(TenonEntryFn entry, std::string_view expected_name,
                                          BackendReport* report) {
  auto backend = std::make_unique<Backend>();
  backend->path = report->path;
  TenonError error = new_error();
  const TenonBackend* given = nullptr;
  const TenonStatus status = entry(host_services(), &given, &error);
  if (status != TENON_OK) {
    report->reason = concat_text("its entry function refused: ", message_of(status, error));
    return nullptr;
  }
  report->reason = check_and_copy(given, expected_name, report, backend.get());
  if (!report->reason.empty()) return nullptr;
  report->devices = backend->device_count();
  if (report->devices == 0) report->reason = concat_text("no device: ", backend->no_device_reason);
  return backend;
}

}  // namespace tenon

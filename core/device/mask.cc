#include "tenon/device/mask.h"

#include <strings.h>

#include <cstdlib>

namespace tenon {
namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

bool is_masked(std::string_view backend, std::string_view name) {
  const char* text = getenv("TENON_MASK");
  if (!text) return false;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    const size_t colon = item.find(':');
    if (colon != std::string_view::npos && item.substr(0, colon) == backend &&
        equal_ignoring_case(item.substr(colon + 1), name)) {
      return true;
    }
  }
  return false;
}

void mask_tables(BackendTables* t) {
  if (is_masked(t->name, "matmul")) t->tensor.matmul = nullptr;
  if (is_masked(t->name, "gather")) t->tensor.gather = nullptr;
  if (is_masked(t->name, "scatter")) t->tensor.scatter = nullptr;
  if (is_masked(t->name, "launch_list")) t->fused.launch_list = nullptr;
  if (is_masked(t->name, "softmax")) t->fused.softmax = nullptr;
  if (is_masked(t->name, "softmax_backward")) t->fused.softmax_backward = nullptr;
  if (is_masked(t->name, "cross_entropy")) t->fused.cross_entropy = nullptr;
  if (is_masked(t->name, "layer_norm")) t->fused.layer_norm = nullptr;
  if (is_masked(t->name, "layer_norm_backward")) t->fused.layer_norm_backward = nullptr;
  if (is_masked(t->name, "mem_info")) t->memory.mem_info = nullptr;
  if (is_masked(t->name, "copy_peer")) t->memory.copy_peer = nullptr;
  if (is_masked(t->name, "pinned_alloc")) t->memory.pinned_alloc = nullptr;
  if (is_masked(t->name, "mem_import")) t->memory.mem_import = nullptr;
  if (is_masked(t->name, "mem_export")) t->memory.mem_export = nullptr;
  if (is_masked(t->name, "stream_import")) t->streams.stream_import = nullptr;
  if (is_masked(t->name, "stream_native")) t->streams.stream_native = nullptr;
}

bool mask_opcodes(std::string_view backend, uint64_t opcodes[4]) {
  bool any = false;
#define TENON_MASK_ONE(NAME, number, operands, kind)           \
  if (is_masked(backend, #NAME)) {                             \
    opcodes[(number) / 64] &= ~(uint64_t{1} << (number) % 64); \
    any = true;                                                \
  }
  TENON_OPCODES(TENON_MASK_ONE)
#undef TENON_MASK_ONE
  return any;
}

}  // namespace tenon

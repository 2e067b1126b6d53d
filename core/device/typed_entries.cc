// matmul, gather, scatter: the device's own entry, else the CPU backend's on copies. Fused entries:
// the device's own, or none.
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "tenon/device/backend.h"
#include "tenon/device/fallback.h"
#include "tenon/device/memory.h"
#include "tenon/device/plan.h"

namespace tenon {
namespace {

template <class Args>
using Entry = TenonStatus (*)(TenonDevice, TenonStream, const Args*, TenonCall*,
                              TenonError*) noexcept;

// UNSUPPORTED if the device has no such entry or refuses these arguments; `said` is then its
// message.
template <class Args>
TenonStatus call_entry(StreamState& stream, const char* name, Entry<Args> entry, const Args& args,
                       std::string* said) {
  DeviceState& device = stream.device;
  if (!entry) {
    *said = "the backend has no such entry";
    return TENON_UNSUPPORTED;
  }
  TenonCall call{};
  call.size = sizeof call;
  Memory workspace;
  const auto note = [&](TenonStatus status, const TenonError* error) {
    if (status == TENON_UNSUPPORTED)
      said->assign(error->message, strnlen(error->message, sizeof error->message));
    return status;
  };
  // A host backend takes its workspace from host_alloc; asking it would double the price of a small
  // product.
  if (!device.host_addressable) {
    call.flags = TENON_CALL_DRY_RUN;
    const TenonStatus status = enqueue(stream, name, [&](TenonStream s, TenonError* error) {
      return note(entry(device.handle, s, &args, &call, error), error);
    });
    if (status != TENON_OK) return status;
    call.flags = 0;
    if (call.workspace_bytes != 0) {
      workspace = allocate(device, stream, call.workspace_bytes);
      call.workspace = workspace.buffer;
      call.workspace_offset = workspace.offset;
    }
  }
  const absl::Cleanup give_back = [&] { release(workspace); };  // in stream order
  return enqueue(stream, name, [&](TenonStream s, TenonError* error) {
    return note(entry(device.handle, s, &args, &call, error), error);
  });
}

template <class Args>
void call_host_entry(DeviceState& host, const char* name, Entry<Args> entry, const Args& args) {
  std::string said;
  if (call_entry(*host.default_stream, name, entry, args, &said) == TENON_UNSUPPORTED) {
    fail(ErrorCode::kUnsupported, name, "neither the device nor the host supports this: ", said);
  }
}

bool has_elements(const TenonTensor& t) {
  for (uint32_t d = 0; d < t.rank; ++d) {
    if (t.sizes[d] == 0) return false;
  }
  return true;
}

void add(HostCopies& copies, const TenonTensor& t, bool written) {
  if (t.buffer == 0 || !has_elements(t)) return;
  copies.add(t.buffer, t.offset, static_cast<uint32_t>(item_size(static_cast<DType>(t.dtype))),
             t.rank, t.sizes, t.strides, written);
}

void move_to_host(const HostCopies& copies, TenonTensor* t) {
  if (t->buffer == 0 || !has_elements(*t)) return;
  t->buffer = copies.address(t->buffer, t->offset);
  t->offset = 0;
}

void run_indexed(StreamState& stream, const char* name,
                 Entry<TenonIndexArgs> TenonTensorOps::*entry, const TenonIndexArgs& args) {
  std::string said;
  const BackendTables& tables = *stream.device.tables;
  if (call_entry(stream, name, tables.tensor.*entry, args, &said) == TENON_OK) return;
  DeviceState& host = begin_fallback(stream.device, name, said);
  HostCopies copies(stream, host);
  const int64_t one = 1;
  add(copies, args.src, false);
  add(copies, args.index, false);
  add(copies, args.dst, true);
  copies.add(args.out_of_range, args.out_of_range_offset, 8, 1, &one, &one, true);
  copies.read();
  TenonIndexArgs on_host = args;
  move_to_host(copies, &on_host.src);
  move_to_host(copies, &on_host.index);
  move_to_host(copies, &on_host.dst);
  on_host.out_of_range = copies.address(args.out_of_range, args.out_of_range_offset);
  on_host.out_of_range_offset = 0;
  call_host_entry(host, name, host.tables->tensor.*entry, on_host);
  copies.write_back();
}

template <class Args>
bool run_fused(StreamState& stream, const char* name, Entry<Args> TenonFusedOps::*entry,
               const Args& args) {
  const Entry<Args> own = stream.device.tables->fused.*entry;
  if (!own) return false;
  std::string said;
  return call_entry(stream, name, own, args, &said) == TENON_OK;
}

}  // namespace

void run_matmul(StreamState& stream, const TenonMatmulArgs& args) {
  std::string said;
  if (call_entry(stream, "matmul", stream.device.tables->tensor.matmul, args, &said) == TENON_OK)
    return;
  DeviceState& host = begin_fallback(stream.device, "matmul", said);
  HostCopies copies(stream, host);
  add(copies, args.a, false);
  add(copies, args.b, false);
  add(copies, args.bias, false);
  add(copies, args.c, true);
  copies.read();
  TenonMatmulArgs on_host = args;
  move_to_host(copies, &on_host.a);
  move_to_host(copies, &on_host.b);
  move_to_host(copies, &on_host.bias);
  move_to_host(copies, &on_host.c);
  call_host_entry(host, "matmul", host.tables->tensor.matmul, on_host);
  copies.write_back();
}

void run_gather(StreamState& stream, const TenonIndexArgs& args) {
  run_indexed(stream, "gather", &TenonTensorOps::gather, args);
}

void run_scatter(StreamState& stream, const TenonIndexArgs& args) {
  run_indexed(stream, "scatter", &TenonTensorOps::scatter, args);
}

bool run_softmax(StreamState& stream, const TenonSoftmaxArgs& args) {
  return run_fused(stream, args.log ? "log_softmax" : "softmax", &TenonFusedOps::softmax, args);
}

bool run_softmax_backward(StreamState& stream, const TenonSoftmaxBackwardArgs& args) {
  return run_fused(stream, args.log ? "log_softmax_backward" : "softmax_backward",
                   &TenonFusedOps::softmax_backward, args);
}

bool run_cross_entropy(StreamState& stream, const TenonCrossEntropyArgs& args) {
  return run_fused(stream, "cross_entropy", &TenonFusedOps::cross_entropy, args);
}

bool run_layer_norm(StreamState& stream, const TenonLayerNormArgs& args) {
  return run_fused(stream, "layer_norm", &TenonFusedOps::layer_norm, args);
}

bool run_layer_norm_backward(StreamState& stream, const TenonLayerNormBackwardArgs& args) {
  return run_fused(stream, "layer_norm_backward", &TenonFusedOps::layer_norm_backward, args);
}

}  // namespace tenon

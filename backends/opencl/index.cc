// gather and scatter of any dtype.
#include <algorithm>

#include "backends/opencl/device.h"
#include "backends/opencl/memory.h"
#include "backends/opencl/program.h"
#include "backends/opencl/typed_entries.h"
#include "tenon/backends/codegen/emit.h"

namespace tenon_opencl {
namespace {

using tenon::plugin::Failure;

// As in the kernel's source.
struct IndexedTensor {
  int64_t start, strides[TENON_ABI_MAX_RANK];
};
struct IndexArguments {
  int64_t rank, axis, others, bound, wide_index, flag, sizes[TENON_ABI_MAX_RANK],
      positions[TENON_ABI_MAX_RANK];
  IndexedTensor enumerated, selected, index;
};

constexpr size_t kGroup = 64;
constexpr int64_t kMaxGroups = 4096;

bool Fits(const TenonIndexArgs& a, bool scatter) {
  const TenonTensor& enumerated = scatter ? a.src : a.dst;
  const TenonTensor& selected = scatter ? a.dst : a.src;
  const uint32_t rank = a.dst.rank;
  const bool rows = a.mode == TENON_INDEX_ROWS;
  if (a.src.rank != rank || rank == 0 || rank > TENON_ABI_MAX_RANK || a.axis >= rank ||
      a.src.dtype != a.dst.dtype || tenon_dtype_size(a.src.dtype) == 0 ||
      (a.index.dtype != TENON_I32 && a.index.dtype != TENON_I64) ||
      a.index.rank != (rows ? 1u : rank) ||
      a.index.sizes[rows ? 0 : a.axis] != enumerated.sizes[a.axis] || selected.sizes[a.axis] <= 0) {
    return false;
  }
  for (uint32_t d = 0; d < rank; ++d) {
    if (a.src.sizes[d] <= 0 || a.dst.sizes[d] <= 0) return false;
    if (d != a.axis &&
        (a.src.sizes[d] != a.dst.sizes[d] || (!rows && a.index.sizes[d] != a.dst.sizes[d]))) {
      return false;
    }
  }
  return true;
}

void Check(const Device& device, const TenonIndexArgs& a, bool scatter) {
  if (a.flags != 0 || a.reserved != 0 || a.mode > TENON_INDEX_ALONG ||
      a.combine > TENON_SCATTER_ADD) {
    throw Failure(TENON_UNSUPPORTED, "opencl: unknown fields, mode " + std::to_string(a.mode) +
                                         " or combination " + std::to_string(a.combine));
  }
  const std::string dtype = tenon_dtype_name(a.src.dtype);
  if (!Fits(a, scatter)) {
    throw Failure(TENON_INVALID_ARGUMENT,
                  "opencl: source of " + dtype + ", index of " + tenon_dtype_name(a.index.dtype) +
                      " and destination of " + tenon_dtype_name(a.dst.dtype) +
                      " do not fit along axis " + std::to_string(a.axis));
  }
  if (scatter && a.combine == TENON_SCATTER_ADD &&
      (a.src.dtype == TENON_BOOL || tenon_dtype_is_float8(a.src.dtype) ||
       ((a.src.dtype == TENON_F64 || a.src.dtype == TENON_C128) && !device.description().f64))) {
    throw Failure(TENON_UNSUPPORTED, "opencl: no addition of " + dtype);
  }
}

// What is only moved is moved as bits of its size.
std::string Source(uint32_t dtype, bool scatter, bool add, const std::string& name) {
  static const char* const bits[] = {"u8", "u16", "u32", "u64"};
  const uint32_t size = tenon_dtype_size(dtype);
  std::string text = "#define NAME " + name + "\n";
  if (add) {
    text += std::string("#define T ") + NumberType(dtype) + "\n#define ADD" +
            (PartOf(dtype) != 0 ? "(old, x) ((old) + (x))"
                                : std::string(" add_") + tenon_dtype_name(dtype)) +
            "\n";
  } else if (size == 16) {
    text += "typedef struct { u64 at[2]; } u128;\n#define T u128\n";
  } else {
    text += std::string("#define T ") +
            bits[size == 1   ? 0
                 : size == 2 ? 1
                 : size == 4 ? 2
                             : 3] +
            "\n";
  }
  if (scatter && !add) text += "#define ADD(old, x) (x)\n";
  return (scatter ? "#define SCATTER\n" : "") + text + kIndexSource;
}

IndexedTensor Strided(const TenonTensor& t) {
  IndexedTensor own = {};
  own.start = static_cast<int64_t>(t.offset / tenon_dtype_size(t.dtype));
  std::copy_n(t.strides, t.rank, own.strides);
  return own;
}

void Run(Device& device, Stream& stream, const TenonIndexArgs& a, bool scatter) {
  const TenonTensor& enumerated = scatter ? a.src : a.dst;
  const TenonTensor& selected = scatter ? a.dst : a.src;
  IndexArguments x = {};
  x.rank = enumerated.rank;
  x.axis = a.axis;
  x.others = 1;
  x.bound = selected.sizes[a.axis];
  x.wide_index = a.index.dtype == TENON_I64;
  x.flag = static_cast<int64_t>(a.out_of_range_offset / 8);
  x.enumerated = Strided(enumerated);
  x.selected = Strided(selected);
  x.index = Strided(a.index);
  for (uint32_t d = 0; d < enumerated.rank; ++d) {
    x.sizes[d] = enumerated.sizes[d];
    if (d != a.axis) x.others *= x.sizes[d];
  }
  if (a.mode == TENON_INDEX_ROWS) {  // ALONG with an index that is the same for all other axes
    std::fill_n(x.index.strides, TENON_ABI_MAX_RANK, 0);
    x.index.strides[a.axis] = a.index.strides[0];
    x.positions[a.axis] = 1;
  } else {
    int64_t stride = 1;
    for (uint32_t d = enumerated.rank; d-- > 0; stride *= a.index.sizes[d]) x.positions[d] = stride;
  }

  const bool add = scatter && a.combine == TENON_SCATTER_ADD;
  const uint32_t dtype = a.src.dtype;
  CompiledKernel& kernel = device.typed_kernels().Get(
      device,
      std::string(scatter ? add ? "scatter_add_" : "scatter_" : "gather_") +
          (add ? tenon_dtype_name(dtype) : std::to_string(tenon_dtype_size(dtype))),
      [&](const std::string& name) { return Source(dtype, scatter, add, name); });
  const int64_t items = scatter ? x.others : x.others * x.sizes[a.axis];
  const int64_t groups = std::min<int64_t>(kMaxGroups, (items + 63) / 64);
  const std::lock_guard lock(kernel.arguments);
  kernel.Set(device, 0, mem_of(enumerated.buffer));
  kernel.Set(device, 1, mem_of(selected.buffer));
  kernel.Set(device, 2, mem_of(a.index.buffer));
  kernel.Set(device, 3, mem_of(a.out_of_range));
  kernel.Set(device, 4, sizeof x, &x);
  kernel.Enqueue(device, stream, static_cast<size_t>(groups) * kGroup, kGroup);
}

TenonStatus IndexCall(TenonDevice handle, TenonStream stream_handle, const TenonIndexArgs* given,
                      TenonCall* call, TenonError* error, bool scatter) {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    TenonIndexArgs args;
    const TenonStatus status =
        tenon_read_struct(&args, sizeof args, given, "TenonIndexArgs", error);
    if (status != TENON_OK) return status;
    Check(device, args, scatter);
    if (AnswersDryRun(call)) return TENON_OK;
    if (args.src.buffer == 0 || args.dst.buffer == 0 || args.index.buffer == 0 ||
        args.out_of_range == 0) {
      throw Failure(TENON_INVALID_ARGUMENT, "opencl: an index call without buffers");
    }
    Stream& stream = device.stream(stream_handle);
    stream.Poll();
    device.FailIfFailed(stream);
    Run(device, stream, args, scatter);
    return TENON_OK;
  });
}

}  // namespace

TenonStatus Gather(TenonDevice device, TenonStream stream, const TenonIndexArgs* args,
                   TenonCall* call, TenonError* error) noexcept {
  return IndexCall(device, stream, args, call, error, false);
}
TenonStatus Scatter(TenonDevice device, TenonStream stream, const TenonIndexArgs* args,
                    TenonCall* call, TenonError* error) noexcept {
  return IndexCall(device, stream, args, call, error, true);
}

}  // namespace tenon_opencl

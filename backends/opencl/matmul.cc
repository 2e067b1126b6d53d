// matmul of f16, bf16 (summed in f32), f32, f64, c64, c128 and integers.
#include <algorithm>
#include <cstring>

#include "backends/opencl/device.h"
#include "backends/opencl/memory.h"
#include "backends/opencl/program.h"
#include "backends/opencl/typed_entries.h"
#include "tenon/backends/codegen/emit.h"

namespace tenon_opencl {
namespace {

using tenon::plugin::Failure;

// As in the kernel's source.
struct MatmulOperand {
  int64_t start, row, column, batch[6];
};
struct MatmulArguments {
  int64_t m, n, k, batches, batch_rank, sizes[6];
  uint64_t alpha, beta;
  int64_t has_beta, has_bias, relu;
  MatmulOperand a, b, c, bias;
};

// A GPU's groups: kSide x kSide work items make squares of kSide or 4 kSide. A CPU's work items:
// each makes kRows x kColumns.
constexpr int64_t kSide = 16, kRows = 4, kColumns = 16;
constexpr size_t kGroup = kSide * kSide;
constexpr int64_t kMaxGroups = 1 << 20;

bool Fits(const TenonMatmulArgs& args) {
  const TenonTensor &a = args.a, &b = args.b, &c = args.c;
  const uint32_t rank = c.rank;
  if (rank < 2 || rank > TENON_ABI_MAX_RANK || a.rank != rank || b.rank != rank ||
      a.dtype != c.dtype || b.dtype != c.dtype) {
    return false;
  }
  const uint32_t m = rank - 2, n = rank - 1;
  if (a.sizes[m] != c.sizes[m] || b.sizes[n] != c.sizes[n] || a.sizes[n] != b.sizes[m] ||
      a.sizes[n] <= 0) {
    return false;
  }
  const bool biased = args.bias.buffer != 0;
  if (biased && (args.bias.rank != rank || args.bias.dtype != c.dtype)) return false;
  for (uint32_t d = 0; d < rank; ++d) {
    if (c.sizes[d] <= 0 || (biased && args.bias.sizes[d] != c.sizes[d])) return false;
    if (d < m && (a.sizes[d] != c.sizes[d] || b.sizes[d] != c.sizes[d])) return false;
  }
  return true;
}

std::string Sizes(const TenonTensor& t) {
  std::string text = "[";
  for (uint32_t d = 0; d < t.rank && d < TENON_ABI_MAX_RANK; ++d)
    text += (d == 0 ? "" : ", ") + std::to_string(t.sizes[d]);
  return text + "]";
}

void Check(const Device& device, const TenonMatmulArgs& args) {
  if (args.flags != 0 || args.reserved != 0 || args.epilogue > TENON_EPILOGUE_RELU) {
    throw Failure(TENON_UNSUPPORTED, "opencl: unknown fields or epilogue " +
                                         std::to_string(args.epilogue) + " of a matmul");
  }
  if (!Fits(args)) {
    throw Failure(TENON_INVALID_ARGUMENT,
                  std::string("opencl: matmul of ") + tenon_dtype_name(args.a.dtype) +
                      Sizes(args.a) + " and " + tenon_dtype_name(args.b.dtype) + Sizes(args.b) +
                      " into " + tenon_dtype_name(args.c.dtype) + Sizes(args.c));
  }
  const uint32_t dtype = args.c.dtype;
  const bool is_float = tenon_dtype_is_float(dtype) != 0;
  const uint32_t part = PartOf(dtype);
  const char* refused = nullptr;
  if (!is_float && part == 0 && !tenon_dtype_is_integer(dtype))
    refused = "its kernel knows no such numbers";
  if ((dtype == TENON_F64 || part == TENON_F64) && !device.description().f64)
    refused = "the device has none";
  if (part != 0 && args.epilogue != TENON_EPILOGUE_NONE) refused = "with an epilogue";
  if (tenon_dtype_is_integer(dtype) && (args.alpha != 1 || (args.beta != 0 && args.beta != 1) ||
                                        args.epilogue != TENON_EPILOGUE_NONE)) {
    refused = "with factors or an epilogue";
  }
  if (!device.description().cpu && (device.description().max_group < kGroup ||
                                    device.description().local_bytes < 2 * 16 * 65 * uint64_t{8})) {
    refused = "the device's work groups are too small";
  }
  if (refused != nullptr) {
    throw Failure(TENON_UNSUPPORTED,
                  std::string("opencl: no matmul of ") + tenon_dtype_name(dtype) + ": " + refused);
  }
}

// The macros that kMatmulSource asks for. `per` 0: for a CPU.
std::string Source(uint32_t dtype, int64_t per, const std::string& name) {
  const std::string type = NumberType(dtype);
  std::string text = "#define T " + type + "\n#define NAME " + name + "\n";
  if (per != 0) text += "#define PER " + std::to_string(per) + "\n";
  if (dtype == TENON_F32 || dtype == TENON_F64) text += "#define WHOLE\n";
  if (const uint32_t part = PartOf(dtype); part != 0) {
    text +=
        "#define ACC T\n#define LOAD(x) (x)\n#define STORE(x) (x)\n#define RELU(x) (x)\n"
        "#define MAD(s, a, b) ((s) + (a).x * (b) + (a).y * (T)(-(b).y, (b).x))\n"
        "#define ADD(a, b) ((a) + (b))\n#define SCALED(x, bits) ((x) * from_bits_" +
        std::string(tenon_dtype_name(part)) + "(bits))\n";
  } else if (!tenon_dtype_is_float(dtype)) {
    text += "#define ACC " + type + "\n#define LOAD(x) (x)\n#define STORE(x) (x)\n" +
            "#define MAD(s, a, b) add_" + type + "(s, mul_" + type + "(a, b))\n#define ADD add_" +
            type + "\n#define SCALED(x, bits) (x)\n#define RELU(x) (x)\n";
  } else {
    const std::string acc = dtype == TENON_F64 ? "f64" : "f32";
    const std::string to = acc == type ? "" : type + "_to_" + acc,
                      from = acc == type ? "" : acc + "_to_" + type;
    text += "#define ACC " + acc + "\n#define LOAD(x) " + to + "(x)\n#define STORE(x) " + from +
            "(x)\n#define ADD add_" + acc + "\n#define SCALED(x, bits) ((x) * from_bits_" + acc +
            "(bits))\n#define RELU(x) ((x) < 0 ? (" + acc + ")0 : (x))\n" + "#ifdef FP_FAST_FMA" +
            (acc == "f64" ? "" : "F") + "\n#define MAD(s, a, b) fma(a, b, s)\n#else\n" +
            "#define MAD(s, a, b) ((s) + (a) * (b))\n#endif\n";
  }
  return text + kMatmulSource;
}

uint64_t Bits(uint32_t dtype, double x) {
  uint64_t bits = 0;
  if (dtype == TENON_F64 || dtype == TENON_C128) {
    std::memcpy(&bits, &x, sizeof x);
  } else {
    const auto narrow = static_cast<float>(x);
    std::memcpy(&bits, &narrow, sizeof narrow);
  }
  return bits;
}

MatmulOperand Operand(const TenonTensor& t, uint32_t rank) {
  MatmulOperand operand = {};
  operand.start = static_cast<int64_t>(t.offset / tenon_dtype_size(t.dtype));
  operand.row = t.strides[rank - 2];
  operand.column = t.strides[rank - 1];
  std::copy_n(t.strides, rank - 2, operand.batch);
  return operand;
}

void Run(Device& device, Stream& stream, const TenonMatmulArgs& args) {
  const uint32_t rank = args.c.rank, dtype = args.c.dtype;
  MatmulArguments x = {};
  x.m = args.c.sizes[rank - 2];
  x.n = args.c.sizes[rank - 1];
  x.k = args.a.sizes[rank - 1];
  x.batches = 1;
  x.batch_rank = rank - 2;
  for (uint32_t d = 0; d + 2 < rank; ++d) x.batches *= x.sizes[d] = args.c.sizes[d];
  x.alpha = Bits(dtype, args.alpha);
  x.beta = Bits(dtype, args.beta);
  x.has_beta = args.beta != 0;
  x.has_bias = args.bias.buffer != 0;
  x.relu = args.epilogue == TENON_EPILOGUE_RELU;
  x.a = Operand(args.a, rank);
  x.b = Operand(args.b, rank);
  x.c = Operand(args.c, rank);
  // Without a bias its description is never looked at: nobody need have filled it.
  if (x.has_bias) x.bias = Operand(args.bias, rank);

  const bool cpu = device.description().cpu;
  // Larger squares of complex numbers would take more local memory than many devices have.
  const bool large = x.m > kSide && x.n > kSide && PartOf(dtype) == 0;
  const int64_t per = cpu ? 0 : large ? 4 : 1;
  const int64_t rows = cpu ? kRows : kSide * per, columns = cpu ? kColumns : kSide * per;
  CompiledKernel& kernel =
      device.typed_kernels().Get(device,
                                 std::string("matmul_") + tenon_dtype_name(dtype) + "_" +
                                     std::to_string(rows) + "x" + std::to_string(columns),
                                 [&](const std::string& name) { return Source(dtype, per, name); });
  const size_t group = cpu ? 1 : kGroup;
  const int64_t groups = x.batches * ((x.m + rows - 1) / rows) * ((x.n + columns - 1) / columns);
  const cl_mem c = mem_of(args.c.buffer);
  const std::lock_guard lock(kernel.arguments);
  kernel.Set(device, 0, mem_of(args.a.buffer));
  kernel.Set(device, 1, mem_of(args.b.buffer));
  kernel.Set(device, 2, c);
  kernel.Set(device, 3, x.has_bias ? mem_of(args.bias.buffer) : c);
  kernel.Set(device, 4, sizeof x, &x);
  kernel.Enqueue(device, stream, static_cast<size_t>(std::min(groups, kMaxGroups)) * group, group);
}

}  // namespace

bool AnswersDryRun(TenonCall* call) {
  tenon::plugin::check([&](TenonError* error) { return tenon_check_call(call, "opencl", error); });
  if (call == nullptr) return false;
  call->workspace_bytes = 0;
  return (call->flags & TENON_CALL_DRY_RUN) != 0;
}

TenonStatus Matmul(TenonDevice handle, TenonStream stream_handle, const TenonMatmulArgs* given,
                   TenonCall* call, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    TenonMatmulArgs args;
    const TenonStatus status =
        tenon_read_struct(&args, sizeof args, given, "TenonMatmulArgs", error);
    if (status != TENON_OK) return status;
    Check(device, args);
    if (AnswersDryRun(call)) return TENON_OK;
    if (args.a.buffer == 0 || args.b.buffer == 0 || args.c.buffer == 0)
      throw Failure(TENON_INVALID_ARGUMENT, "opencl: a matmul without buffers");
    Stream& stream = device.stream(stream_handle);
    stream.Poll();
    device.FailIfFailed(stream);
    Run(device, stream, args);
    return TENON_OK;
  });
}

}  // namespace tenon_opencl

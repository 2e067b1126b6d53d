// Writes the source of the kernels of one opcode:
//   write_single integers|floats|casts   // for single_integers.cu ...: a line for every opcode of
//   the
//                                        // ABI's table on every dtype that it is defined for
//   write_single prelude|common          // CUDA's and the common prelude of tenon_codegen; the
//   latter
#include <cstdio>
#include <cstring>
#include <set>
#include <string>

#include "backends/cuda/single_name.h"
#include "tenon/backends/codegen/prelude.h"

namespace {

std::string Type(uint32_t dtype) {
  return dtype == TENON_BOOL ? "boolean" : tenon_dtype_name(dtype);
}

// 8-bit floats are converted from and to the other floats here; rarer pairs are compiled on demand.
bool IsWorthAKernel(uint32_t from, uint32_t to) {
  if (!tenon_opcode_defined(TENON_OP_CAST, to)) return false;
  const auto is_usual = [](uint32_t dtype) { return dtype >= TENON_F16 && dtype <= TENON_F32; };
  if (tenon_dtype_is_float8(from)) return is_usual(to);
  return !tenon_dtype_is_float8(to) || is_usual(from);
}

class Writer {
 public:
  // Of the given kind: "integers", "floats" or "casts".
  explicit Writer(std::string kind) : kind_(std::move(kind)) {}

  void WriteAll() {
    if (kind_ == "integers") std::printf("SINGLE_INDEX()\n");
    if (kind_ == "casts") {
      for (const size_t bytes : {1, 2, 4, 8}) {
        const std::string type = Type(tenon_cuda::UnsignedOfSize(bytes));
        Line(tenon_cuda::CopyName(bytes), "tenon_cuda::same<" + type + ">", type, type);
      }
    }
    for (uint32_t op = 1; op < TENON_OPCODE_COUNT; ++op) {
      if (tenon_opcode_operands(static_cast<uint16_t>(op)) == 0) continue;
      for (uint32_t from = TENON_BOOL; from < TENON_DTYPE_COUNT; ++from) {
        if (tenon_opcode_defined(static_cast<uint16_t>(op), static_cast<uint16_t>(from)))
          Write(op, from);
      }
    }
  }

 private:
  void Line(const std::string& name, const std::string& function, const std::string& result,
            const std::string& operands) {
    if (!written_.insert(name).second) return;
    std::printf("SINGLE(%s, %s, %s, %s)\n", name.c_str(), function.c_str(), result.c_str(),
                operands.c_str());
  }

  void Write(uint32_t op, uint32_t from) {
    if (op == TENON_OP_BITCAST) return;  // the copies
    if ((op == TENON_OP_CAST) != (kind_ == "casts")) return;
    if (op == TENON_OP_CAST) {
      for (uint32_t to = TENON_BOOL; to < TENON_DTYPE_COUNT; ++to) {
        if (to == from || !IsWorthAKernel(from, to)) continue;
        const std::string name = tenon_cuda::SingleName(op, from, to);
        Line(name, name, Type(to), Type(from));
      }
      return;
    }
    if ((tenon_dtype_is_float(from) != 0) != (kind_ == "floats") && op != TENON_OP_SELECT) return;
    const std::string name = tenon_cuda::SingleName(op, from, from);
    if (op == TENON_OP_SELECT) {
      const std::string type = Type(tenon_cuda::UnsignedOfSize(tenon_dtype_size(from)));
      if (kind_ == "integers") Line(name, name, type, "boolean, " + type + ", " + type);
      return;
    }
    const bool compares =
        op == TENON_OP_EQ || op == TENON_OP_NE || op == TENON_OP_LT || op == TENON_OP_LE;
    std::string operands = Type(from);
    for (int k = 1; k < tenon_opcode_operands(static_cast<uint16_t>(op)); ++k)
      operands += ", " + Type(from);
    Line(name, name, compares ? "boolean" : op == TENON_OP_PHILOX ? "u32" : Type(from), operands);
  }

  const std::string kind_;
  std::set<std::string> written_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string kind = argc == 2 ? argv[1] : "";
  if (kind == "prelude") {
    std::printf("%s%s%s", tenon_codegen::kCudaPrelude, tenon_codegen::SelectAll().c_str(),
                tenon_codegen::kCommonPrelude);
  } else if (kind == "common") {
    std::printf("%s%s", tenon_codegen::SelectAll().c_str(), tenon_codegen::kCommonPrelude);
  } else if (kind == "integers" || kind == "floats" || kind == "casts") {
    Writer(kind).WriteAll();
  } else {
    std::fprintf(stderr, "usage: write_single integers|floats|casts|prelude|common\n");
    return 2;
  }
  return 0;
}

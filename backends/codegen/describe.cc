// What is known of a kernel without writing it, and how kernels are called.
#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "tenon/abi/tenon_kit_program.h"
#include "tenon/backends/codegen/emit.h"

namespace tenon_codegen {
namespace {

bool Any(const TenonProgram& program, bool (*holds)(const TenonInstr&)) {
  return std::any_of(program.instr, program.instr + program.n_instr, holds);
}

}  // namespace

KernelInfo Describe(const TenonKernelDesc& desc) {
  KernelInfo info;
  info.reduces = desc.n_reducers != 0;
  info.n_reducers = desc.n_reducers;
  const TenonProgram& last = info.reduces ? *desc.epilogue : *desc.program;
  info.n_inputs = desc.program->n_inputs;
  info.n_scalars = std::max(desc.program->n_scalars, last.n_scalars);
  const auto is_index = [](const TenonInstr& t) { return t.op == TENON_OP_INDEX; };
  const auto is_f64 = [](const TenonInstr& t) { return t.dtype == TENON_F64; };
  info.uses_index = Any(*desc.program, is_index) || Any(last, is_index);
  info.uses_f64 = Any(*desc.program, is_f64) || Any(last, is_f64);
  for (uint32_t k = 0; k < info.n_inputs; ++k) {
    const uint32_t dtype = tenon_program_input_dtype(desc.program, k);
    info.operand_dtypes.push_back(dtype != 0 ? dtype : static_cast<uint32_t>(TENON_U8));
  }
  for (uint32_t k = 0; k < last.n_outputs; ++k)
    info.operand_dtypes.push_back(last.instr[last.outputs[k]].dtype);
  for (uint32_t r = 0; r < desc.n_reducers; ++r)
    info.uses_f64 = info.uses_f64 || desc.reducers[r].acc_dtype == TENON_F64;
  return info;
}

std::string NameOf(const TenonKernelDesc& desc) {
  Variant variant;  // any one will do: all are written from the same program
  variant.method = desc.n_reducers != 0 ? Method::kThread : Method::kMap;
  variant.inner_rank = desc.n_reducers != 0 ? 1 : 0;
  const std::string text = EmitKernel(desc, "k", variant, Target());
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  char name[32];
  snprintf(name, sizeof name, "%s_%016" PRIx64, desc.n_reducers != 0 ? "reduce" : "map", hash);
  return name;
}

std::string Variant::suffix() const {
  std::string text;
  switch (method) {
    case Method::kMap:
      text = packed && outer_rank == 1 ? "flat" : "map" + std::to_string(outer_rank);
      if (vector > 1) text += "v" + std::to_string(vector);
      break;
    case Method::kList:
      return vector > 1 ? "listv" + std::to_string(vector) : "list";
    case Method::kThread:
      text = "thread";
      break;
    case Method::kGroup:
      text = "group";
      break;
    case Method::kSlice:
      text = "slice";
      break;
    case Method::kPart:
      text = "part";
      break;
    case Method::kMerge:
      text = "merge";
      break;
  }
  if (method != Method::kMap) text += std::to_string(outer_rank) + "x" + std::to_string(inner_rank);
  if (packed && (repeated != 0 || outer_rank > 1)) {
    char mask[24];
    snprintf(mask, sizeof mask, "_r%" PRIx64, repeated);
    text += mask;
  }
  if (wide) text += "_wide";
  if (in_memory) text += "_m";
  return text;
}

}  // namespace tenon_codegen

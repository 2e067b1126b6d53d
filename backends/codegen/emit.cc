#include "tenon/backends/codegen/emit.h"

#include <algorithm>
#include <utility>

#include "backends/codegen/instruction.h"
#include "backends/codegen/reducer.h"
#include "tenon/abi/tenon_kit_program.h"

namespace tenon_codegen {
namespace {

class Emitter {
 public:
  Emitter(const TenonKernelDesc& desc, std::string name)
      : desc_(desc),
        last_(desc.n_reducers != 0 ? *desc.epilogue : *desc.program),
        name_(std::move(name)) {
    source_.reduces = desc.n_reducers != 0;
    source_.n_inputs = desc.program->n_inputs;
    source_.n_scalars = std::max(desc.program->n_scalars, last_.n_scalars);
    source_.uses_index = UsesIndex(*desc.program) || UsesIndex(last_);
    for (uint32_t k = 0; k < source_.n_inputs; ++k) {
      const uint32_t dtype = tenon_program_input_dtype(desc.program, k);
      source_.operand_dtypes.push_back(dtype != 0 ? dtype : static_cast<uint32_t>(TENON_U8));
    }
    for (uint32_t k = 0; k < last_.n_outputs; ++k) {
      source_.operand_dtypes.push_back(last_.instr[last_.outputs[k]].dtype);
    }
  }

  KernelSource Emit() {
    Launch();
    if (source_.reduces) {
      for (uint32_t r = 0; r < desc_.n_reducers; ++r) {
        reducers_.push_back(EmitReducer(*desc_.program, desc_.reducers[r], r));
      }
      State();
      ReducePerThread();
      ReducePerGroup();
    } else {
      MapFlat();
      MapStrided();
    }
    return std::move(source_);
  }

 private:
  void Line(const std::string& line) { source_.text += line + "\n"; }
  uint32_t Operands() const { return static_cast<uint32_t>(source_.operand_dtypes.size()); }
  static bool UsesIndex(const TenonProgram& program) {
    return std::any_of(program.instr, program.instr + program.n_instr,
                       [](const TenonInstr& t) { return t.op == TENON_OP_INDEX; });
  }
  static std::string N(uint32_t k) { return std::to_string(k); }

  // The same layout as PackLaunch's words.
  void Launch() {
    Line("typedef struct {");
    Line("  i64 outer, inner, outer_rank, rank, sizes[8], index_base, index_strides[8];");
    Line("  Operand operands[" + N(Operands()) + "];");
    if (source_.n_scalars != 0) Line("  u64 scalars[" + N(source_.n_scalars) + "];");
    Line("} Launch_" + name_ + ";\n");
  }

  void Head(const std::string& variant) {
    std::string text = "KERNEL " + name_ + variant + "(";
    for (uint32_t k = 0; k < Operands(); ++k) {
      const bool input = k < source_.n_inputs;
      text += std::string("GLOBAL ") + (input ? "const " : "") +
              TypeName(source_.operand_dtypes[k]) + "* p" + N(k) + ", ";
    }
    Line(text + "const Launch_" + name_ + " launch) {");
  }

  // at<k>: where operand k's element of output number i lies; and the logical index.
  void Outer(const std::string& indent) {
    for (uint32_t k = 0; k < Operands(); ++k)
      Line(indent + "i64 at" + N(k) + " = launch.operands[" + N(k) + "].start;");
    if (source_.uses_index) Line(indent + "i64 index = launch.index_base;");
    Line(indent + "i64 rest = i;");
    Walk("rest", "0", "launch.outer_rank", "at", Operands(), "index", indent);
  }

  // in<k>: where the inputs' element number j of the reduced axes lies.
  void Inner(const std::string& indent) {
    for (uint32_t k = 0; k < source_.n_inputs; ++k)
      Line(indent + "i64 in" + N(k) + " = at" + N(k) + ";");
    if (source_.uses_index) Line(indent + "i64 place = index;");
    Line(indent + "i64 inner_rest = j;");
    Walk("inner_rest", "launch.outer_rank", "launch.rank", "in", source_.n_inputs, "place", indent);
  }

  // Takes the number `rest` apart into positions on the axes [begin, end), the last axis fastest.
  // All eight steps are unrolled, so that the launch is read at constant places.
  void Walk(const std::string& rest, const std::string& begin, const std::string& end,
            const std::string& at, uint32_t operands, const std::string& index,
            const std::string& indent) {
    Line("#pragma unroll");
    Line(indent + "for (int d = 7; d >= 0; --d) {");
    Line(indent + "  if (d < " + begin + " || d >= " + end + ") continue;");
    Line(indent + "  const i64 position = " + rest + " % launch.sizes[d];");
    Line(indent + "  " + rest + " /= launch.sizes[d];");
    if (source_.uses_index) Line(indent + "  " + index + " += position * launch.index_strides[d];");
    for (uint32_t k = 0; k < operands; ++k) {
      Line(indent + "  " + at + N(k) + " += position * launch.operands[" + N(k) + "].strides[d];");
    }
    Line(indent + "}");
  }

  void Body(const std::string& at, const std::string& index, const std::string& indent) {
    std::vector<std::string> inputs;
    for (uint32_t k = 0; k < source_.n_inputs; ++k)
      inputs.push_back("p" + N(k) + "[" + at + N(k) + "]");
    source_.text += EmitProgram(*desc_.program, "v", inputs, index, indent);
  }

  void Store(const std::string& prefix, const std::string& indent) {
    for (uint32_t k = 0; k < last_.n_outputs; ++k) {
      const std::string operand = N(source_.n_inputs + k);
      Line(indent + "p" + operand + "[at" + operand + "] = " + prefix + N(last_.outputs[k]) + ";");
    }
  }

  // ---- map ----

  void MapFlat() {
    Head("_flat");
    Line("  for (i64 i = GLOBAL_ID; i < launch.outer; i += GLOBAL_SIZE) {");
    for (uint32_t k = 0; k < Operands(); ++k) {
      Line("    const i64 at" + N(k) + " = launch.operands[" + N(k) +
           "].start + i * launch.operands[" + N(k) + "].strides[0];");
    }
    if (source_.uses_index)
      Line("    const i64 index = launch.index_base + i * launch.index_strides[0];");
    Body("at", "index", "    ");
    Store("v", "    ");
    Line("  }\n}\n");
  }

  void MapStrided() {
    Head("_strided");
    Line("  for (i64 i = GLOBAL_ID; i < launch.outer; i += GLOBAL_SIZE) {");
    Outer("    ");
    Body("at", "index", "    ");
    Store("v", "    ");
    Line("  }\n}\n");
  }

  // ---- reduce ----

  void State() {
    Line("typedef struct {");
    for (const ReducerText& r : reducers_) Line("  " + r.fields);
    Line("} State_" + name_ + ";\n");
    Line("DEVICE State_" + name_ + " merge_" + name_ + "(State_" + name_ + " a, State_" + name_ +
         " b) {");
    for (const ReducerText& r : reducers_) Line("  " + r.merge);
    Line("  return a;\n}\n");
  }

  // Folds the elements `begin`, `begin` + `step`, ... of the reduced axes into `s`.
  void Fold(const std::string& begin, const std::string& step) {
    Line("    State_" + name_ + " s;");
    for (const ReducerText& r : reducers_) Line("    " + r.start);
    Line("    for (i64 j = " + begin + "; j < launch.inner; j += " + step + ") {");
    Inner("      ");
    Body("in", "place", "      ");
    for (const ReducerText& r : reducers_) Line("      " + r.fold);
    Line("    }");
  }

  // The epilogue, on the accumulators `s`.
  void Finish(const std::string& indent) {
    std::vector<std::string> accumulators;
    for (const ReducerText& r : reducers_) {
      accumulators.insert(accumulators.end(), r.results.begin(), r.results.end());
    }
    source_.text += EmitProgram(last_, "e", accumulators, "index", indent);
    Store("e", indent);
  }

  void ReducePerThread() {
    Head("_thread");
    Line("  for (i64 i = GLOBAL_ID; i < launch.outer; i += GLOBAL_SIZE) {");
    Outer("    ");
    Fold("0", "1");
    Finish("    ");
    Line("  }\n}\n");
  }

  // A tree over the group in a fixed order: the same bits every time.
  void ReducePerGroup() {
    Head("_group");
    Line("  LOCAL State_" + name_ + " shared[" + N(kGroupSize) + "];");
    Line("  for (i64 i = GROUP_ID; i < launch.outer; i += GROUP_COUNT) {");
    Outer("    ");
    Fold("LOCAL_ID", "LOCAL_SIZE");
    Line("    shared[LOCAL_ID] = s;");
    Line("    BARRIER();");
    Line("    for (i32 half = LOCAL_SIZE / 2; half > 0; half /= 2) {");
    Line("      if (LOCAL_ID < half) shared[LOCAL_ID] = merge_" + name_ +
         "(shared[LOCAL_ID], shared[LOCAL_ID + half]);");
    Line("      BARRIER();");
    Line("    }");
    Line("    if (LOCAL_ID == 0) {");
    Line("      s = shared[0];");
    Finish("      ");
    Line("    }");
    Line("    BARRIER(); /* the next round overwrites `shared` */");
    Line("  }\n}\n");
  }

  const TenonKernelDesc& desc_;
  const TenonProgram& last_;
  const std::string name_;
  std::vector<ReducerText> reducers_;
  KernelSource source_;
};

}  // namespace

KernelSource EmitKernel(const TenonKernelDesc& desc, const std::string& name) {
  return Emitter(desc, name).Emit();
}

}  // namespace tenon_codegen

#include "tenon/backends/codegen/emit.h"

#include <utility>

#include "backends/codegen/instruction.h"
#include "backends/codegen/reducer.h"
#include "tenon/abi/tenon_kit_program.h"
#include "tenon/backends/codegen/list_plan.h"

namespace tenon_codegen {
namespace {

std::string N(int64_t k) { return std::to_string(k); }

class Emitter {
 public:
  Emitter(const TenonKernelDesc& desc, std::string name, const Variant& variant,
          const Target& target)
      : desc_(desc),
        info_(Describe(desc)),
        last_(info_.reduces ? *desc.epilogue : *desc.program),
        name_(std::move(name)),
        variant_(variant),
        index_(variant.wide ? "i64" : "i32"),
        launch_(variant.method == Method::kList ? "launch.entries[e]."
                : variant.in_memory             ? "launch->"
                                                : "launch."),
        f64_(target.f64),
        runs_(target.runs) {}

  std::string Emit() {
    if (variant_.method == Method::kList) return List();
    Launch();
    for (uint32_t r = 0; r < desc_.n_reducers; ++r) {
      reducers_.push_back(EmitReducer(*desc_.program, desc_.reducers[r], r, f64_));
    }
    if (info_.reduces) State();
    Head();
    if (variant_.method == Method::kMap) {
      Map();
    } else if (variant_.method == Method::kThread || variant_.method == Method::kSlice) {
      ReducePerItem();
    } else {
      ReducePerGroup();
    }
    Line("}");
    return std::move(text_);
  }

 private:
  void Line(const std::string& line) { text_ += line + "\n"; }
  size_t Operands() const { return info_.operand_dtypes.size(); }
  bool IsInput(size_t k) const { return k < info_.n_inputs; }
  std::string Type(size_t k) const { return TypeName(info_.operand_dtypes[k]); }
  bool Repeats(size_t k) const { return variant_.packed && (variant_.repeated >> k & 1u) != 0; }
  bool LeavesParts() const {
    return variant_.method == Method::kSlice || variant_.method == Method::kPart;
  }
  bool Scratch() const { return LeavesParts() || variant_.method == Method::kMerge; }
  bool Reads() const { return variant_.method != Method::kMerge; }  // the inputs
  bool Writes() const { return !LeavesParts(); }                    // the outputs
  bool Uses(size_t k) const { return IsInput(k) ? Reads() : Writes(); }
  std::string Operand(size_t k) const { return launch_ + "operands[" + N(int64_t(k)) + "]"; }

  // ---- the head ----

  // The same layout as PlanLaunch's words.
  void Launch() {
    const std::string rank = N(variant_.outer_rank + variant_.inner_rank);
    Line("typedef struct {");
    Line("  i64 outer, inner, parts, index_base, sizes[" + rank + "], index_strides[" + rank +
         "];");
    Line("  struct { i64 start, strides[" + rank + "]; } operands[" + N(int64_t(Operands())) +
         "];");
    if (info_.n_scalars != 0) Line("  u64 scalars[" + N(info_.n_scalars) + "];");
    Line("} Launch_" + name_ + ";\n");
  }

  void Head() {
    std::string text = "KERNEL " + name_ + "(";
    for (size_t k = 0; k < Operands(); ++k) {
      text += std::string("GLOBAL ") + (IsInput(k) ? "const " : "") + Type(k) + "* p" +
              N(int64_t(k)) + ", ";
    }
    if (Scratch()) text += "GLOBAL State_" + name_ + "* scratch, ";
    text += variant_.in_memory ? "GLOBAL const Launch_" + name_ + "* launch"
                               : "const Launch_" + name_ + " launch";
    Line(text + ") {");
    Line("  const " + index_ + " outer = (" + index_ + ")" + launch_ + "outer;");
    for (size_t k = 0; k < Operands(); ++k) {
      if (!Uses(k)) continue;
      Line(std::string("  GLOBAL ") + (IsInput(k) ? "const " : "") + Type(k) + "* q" +
           N(int64_t(k)) + " = p" + N(int64_t(k)) + " + " + Operand(k) + ".start;");
      if (IsInput(k) && Repeats(k) && variant_.outer_rank == 1)
        Line("  const " + Type(k) + " r" + N(int64_t(k)) + " = *q" + N(int64_t(k)) + ";");
    }
  }

  // ---- positions ----

  // Takes the number in variable `rest` apart into positions on the axes [begin, end), the last one
  // fastest, and moves <at>k and the logical index there. `operands`: which of them move.
  template <class Moves>
  void Walk(const std::string& rest, int begin, int end, const std::string& at,
            const std::string& logical, const std::string& indent, Moves moves) {
    for (int d = end; d-- > begin;) {
      std::string position = rest;
      if (d > begin) {
        position = rest + "_" + N(d);
        const std::string size = "(" + index_ + ")" + launch_ + "sizes[" + N(d) + "]";
        Line(indent + "const " + index_ + " " + position + " = " + rest + " % " + size + ";");
        Line(indent + rest + " /= " + size + ";");
      }
      if (info_.uses_index) {
        Line(indent + logical + " += (i64)" + position + " * " + launch_ + "index_strides[" + N(d) +
             "];");
      }
      const bool last = variant_.packed && d == end - 1;
      for (size_t k = 0; k < Operands(); ++k) {
        if (!moves(k) || (last && Repeats(k))) continue;
        Line(indent + at + N(int64_t(k)) + " += " + position +
             (last ? "" : " * (" + index_ + ")" + Operand(k) + ".strides[" + N(d) + "]") + ";");
      }
    }
  }

  // at<k>: where operand k's element of output number i lies; and its logical index.
  void Outer(const std::string& number, const std::string& indent) {
    const auto moves = [this](size_t k) { return Uses(k) && !InRegister(k); };
    for (size_t k = 0; k < Operands(); ++k) {
      if (moves(k)) Line(indent + index_ + " at" + N(int64_t(k)) + " = 0;");
    }
    if (info_.uses_index) Line(indent + "i64 index = " + launch_ + "index_base;");
    std::string rest = number;
    if (variant_.outer_rank > 1) {
      rest = "rest";
      Line(indent + index_ + " rest = " + number + ";");
    }
    Walk(rest, 0, variant_.outer_rank, "at", "index", indent, moves);
  }

  // in<k>: where the inputs' element number j of the reduced axes lies.
  void Inner(const std::string& indent) {
    for (uint32_t k = 0; k < info_.n_inputs; ++k)
      Line(indent + index_ + " in" + N(k) + " = at" + N(k) + ";");
    if (info_.uses_index) Line(indent + "i64 place = index;");
    std::string rest = "j";
    if (variant_.inner_rank > 1) {
      rest = "inner_rest";
      Line(indent + index_ + " inner_rest = j;");
    }
    Walk(rest, variant_.outer_rank, variant_.outer_rank + variant_.inner_rank, "in", "place",
         indent, [this](size_t k) { return IsInput(k); });
  }

  // Of rank 1, a repeated input is read before the loop.
  bool InRegister(size_t k) const {
    return IsInput(k) && Repeats(k) && variant_.outer_rank == 1 && variant_.method == Method::kMap;
  }

  // ---- map ----

  std::string Element(size_t k, const std::string& at) const {
    return "q" + N(int64_t(k)) + "[" + at + N(int64_t(k)) + "]";
  }

  // The head of the loop in which a work item takes its numbers of [0, count), `step` at a time.
  void Loop(const std::string& number, const std::string& count, const std::string& step) {
    const std::string id = "(" + index_ + ")GLOBAL_ID", size = "(" + index_ + ")GLOBAL_SIZE",
                      times = step == "1" ? "" : " * " + step;
    if (!runs_) {
      Line("  for (" + index_ + " " + number + " = " + id + times + "; " + number + " < " + count +
           "; " + number + " += " + size + times + ") {");
      return;
    }
    Line("  const " + index_ + " run = (" + count + " + " + size + " - 1) / " + size +
         ", first = " + id + " * run;");
    Line("  const " + index_ + " last = first + run < " + count + " ? first + run : " + count +
         ";");
    Line("  for (" + index_ + " " + number + " = first; " + number + " < last; ++" + number +
         ") {");
  }

  void Map() {
    if (runs_ && variant_.outer_rank > 1) return MapRows();
    const bool vectors = variant_.vector > 1;
    const std::string vector = N(variant_.vector);
    Loop("i", "outer", vector);
    Outer("i", "    ");
    if (vectors) {
      MapLanes(vector);
    } else {
      MapElement("    ");
    }
    Line("  }");
  }

  // A group finds the launch that its block of elements belongs to and is then as kMap.
  std::string List() {
    const auto pointer = [&](size_t k, const char* letter) {
      return (IsInput(k) ? "GLOBAL const " : "GLOBAL ") + Type(k) + "* " + letter + N(int64_t(k));
    };
    Line("typedef struct {\n  i64 first, count; /* block, elements */");
    for (size_t k = 0; k < Operands(); ++k) Line("  " + pointer(k, "p") + ";");
    if (info_.n_scalars != 0) Line("  u64 scalars[" + N(info_.n_scalars) + "];");
    Line("} Entry_" + name_ + ";\n\ntypedef struct {\n  i64 blocks, last;");
    Line("  Entry_" + name_ + " entries[" + N(ListCapacity(info_)) + "];");
    Line("} Launch_" + name_ + ";\n\nKERNEL " + name_ + "(const Launch_" + name_ + " launch) {");
    Line(
        "  for (i64 block = GROUP_ID; block < launch.blocks; block += GROUP_COUNT) {\n"
        "    i32 e = 0, last = (i32)launch.last;\n"
        "    while (e < last) {\n"
        "      const i32 middle = (e + last + 1) / 2;\n"
        "      if (launch.entries[middle].first <= block) e = middle;\n"
        "      else last = middle - 1;\n"
        "    }");
    const std::string size = N(kListBlock), vector = N(variant_.vector);
    Line("    const i64 begin = (block - " + launch_ + "first) * " + size + ", left = " + launch_ +
         "count - begin;");
    Line("    const i32 outer = left < " + size + " ? (i32)left : " + size + ";");
    for (size_t k = 0; k < Operands(); ++k)
      Line("    " + pointer(k, "q") + " = " + launch_ + "p" + N(int64_t(k)) + " + begin;");
    Line("    for (i32 i = LOCAL_ID * " + vector + "; i < outer; i += LOCAL_SIZE * " + vector +
         ") {");
    Outer("i", "    ");
    variant_.vector > 1 ? MapLanes(vector) : MapElement("    ");
    return std::move(text_ += "    }\n  }\n}\n");
  }

  void MapElement(const std::string& indent) {
    std::vector<std::string> inputs;
    for (size_t k = 0; k < info_.n_inputs; ++k)
      inputs.push_back(InRegister(k) ? "r" + N(int64_t(k)) : Element(k, "at"));
    text_ += EmitProgram(*desc_.program, "v", inputs, launch_, "index", indent);
    Store("v", indent);
  }

  // A run goes along the rows, so that the inner loop is one that compilers make vectors of.
  void MapRows() {
    const std::string axis = N(variant_.outer_rank - 1);
    Line("  const " + index_ + " row = (" + index_ + ")" + launch_ + "sizes[" + axis + "];");
    Line("  const " + index_ + " run = (outer + (" + index_ + ")GLOBAL_SIZE - 1) / (" + index_ +
         ")GLOBAL_SIZE, first = (" + index_ + ")GLOBAL_ID * run;");
    Line("  const " + index_ + " last = first + run < outer ? first + run : outer;");
    Line("  for (" + index_ + " begin = first, end; begin < last; begin = end) {");
    Outer("begin", "    ");
    Line("    end = begin - begin % row + row < last ? begin - begin % row + row : last;");
    Line("    for (" + index_ + " i = begin; i < end; ++i) {");
    MapElement("      ");
    for (size_t k = 0; k < Operands(); ++k) {
      if (Repeats(k)) continue;
      const std::string step =
          variant_.packed ? "1" : "(" + index_ + ")" + Operand(k) + ".strides[" + axis + "]";
      Line("      at" + N(int64_t(k)) + " += " + step + ";");
    }
    if (info_.uses_index) Line("      index += " + launch_ + "index_strides[" + axis + "];");
    Line("    }");
    Line("  }");
  }

  // `vector` neighbouring elements; the last ones of all may be fewer.
  void MapLanes(const std::string& vector) {
    const bool flat = variant_.outer_rank == 1;  // else a vector never leaves its row
    std::vector<std::string> inputs;
    if (flat) {
      Line("    const i32 lanes = outer - i < " + vector + " ? (i32)(outer - i) : " + vector + ";");
    }
    for (size_t k = 0; k < Operands(); ++k) {
      const std::string number = N(int64_t(k)), type = Type(k) + "x" + vector;
      if (!IsInput(k)) {
        Line("    " + type + " w" + number + ";");
      } else if (Repeats(k)) {
        if (!flat) Line("    const " + Type(k) + " r" + number + " = " + Element(k, "at") + ";");
      } else if (!flat) {
        Line("    const " + type + " w" + number + " = LOAD_VECTOR(" + type + ", q" + number +
             " + at" + number + ");");
      } else {
        Line("    " + type + " w" + number + " = {{0}};");
        Line("    if (lanes == " + vector + ") w" + number + " = LOAD_VECTOR(" + type + ", q" +
             number + " + at" + number + ");");
        Line("    else for (i32 k = 0; k < lanes; ++k) w" + number + ".at[k] = q" + number + "[at" +
             number + " + k];");
      }
      if (IsInput(k)) inputs.push_back((Repeats(k) ? "r" : "w") + number);
      if (IsInput(k) && !Repeats(k)) inputs.back() += ".at[lane]";
    }
    Line("#pragma unroll");
    Line("    for (i32 lane = 0; lane < " + vector + "; ++lane) {");
    const std::string stride = launch_ + "index_strides[" + N(variant_.outer_rank - 1) + "]";
    text_ +=
        EmitProgram(*desc_.program, "v", inputs, launch_, "index + lane * " + stride, "      ");
    for (uint32_t k = 0; k < last_.n_outputs; ++k) {
      Line("      w" + N(info_.n_inputs + k) + ".at[lane] = v" + N(last_.outputs[k]) + ";");
    }
    Line("    }");
    for (size_t k = info_.n_inputs; k < Operands(); ++k) {
      const std::string number = N(int64_t(k)), type = Type(k) + "x" + vector,
                        store = "STORE_VECTOR(" + type + ", q" + number + " + at" + number + ", w" +
                                number + ");";
      if (!flat) {
        Line("    " + store);
        continue;
      }
      Line("    if (lanes == " + vector + ") " + store);
      Line("    else for (i32 k = 0; k < lanes; ++k) q" + number + "[at" + number + " + k] = w" +
           number + ".at[k];");
    }
  }

  void Store(const std::string& prefix, const std::string& indent) {
    for (uint32_t k = 0; k < last_.n_outputs; ++k) {
      Line(indent + Element(info_.n_inputs + k, "at") + " = " + prefix + N(last_.outputs[k]) + ";");
    }
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

  void Start() {
    Line("    State_" + name_ + " s;");
    for (const ReducerText& r : reducers_) Line("    " + r.start);
  }

  // Folds the elements `begin`, `begin` + `step`, ... below `end` of the reduced axes into `s`.
  void Fold(const std::string& begin, const std::string& end, const std::string& step) {
    Line("    for (" + index_ + " j = " + begin + "; j < " + end + "; j += " + step + ") {");
    Inner("      ");
    std::vector<std::string> inputs;
    for (size_t k = 0; k < info_.n_inputs; ++k) inputs.push_back(Element(k, "in"));
    text_ += EmitProgram(*desc_.program, "v", inputs, launch_, "place", "      ");
    for (const ReducerText& r : reducers_) Line("      " + r.fold);
    Line("    }");
  }

  // The epilogue, on the accumulators `s`.
  void Finish(const std::string& indent) {
    std::vector<std::string> accumulators;
    for (const ReducerText& r : reducers_) {
      accumulators.insert(accumulators.end(), r.results.begin(), r.results.end());
    }
    text_ += EmitProgram(last_, "e", accumulators, launch_, "index", indent);
    Store("e", indent);
  }

  // [begin, end): the elements of part number `part` of an output.
  void PartOf(const std::string& part) {
    Line("    const " + index_ + " begin = " + part + " * part_size;");
    Line("    const " + index_ + " end = begin + part_size < inner ? begin + part_size : inner;");
  }
  void Parts() {
    Line("  const " + index_ + " parts = (" + index_ + ")" + launch_ + "parts;");
    if (LeavesParts()) Line("  const " + index_ + " part_size = (inner + parts - 1) / parts;");
  }

  // Neighbouring items have neighbouring outputs.
  void ReducePerItem() {
    Line("  const " + index_ + " inner = (" + index_ + ")" + launch_ + "inner;");
    if (LeavesParts()) {
      Parts();
      Loop("g", "outer * parts", "1");
      Line("    const " + index_ + " i = g % outer;");
      PartOf("(g / outer)");
      Outer("i", "    ");
      Start();
      Fold("begin", "end", "1");
      Line("    scratch[i * parts + g / outer] = s;");
    } else {
      Loop("i", "outer", "1");
      Outer("i", "    ");
      Start();
      Fold("0", "inner", "1");
      Finish("    ");
    }
    Line("  }");
  }

  // Each item folds its share, then a tree over the group: a fixed order, the same bits every time.
  void ReducePerGroup() {
    const std::string inner = "(" + index_ + ")" + launch_ + "inner";
    Line("  LOCAL State_" + name_ + " shared[" + N(kGroupSize) + "];");
    if (Reads()) Line("  const " + index_ + " inner = " + inner + ";");
    if (Scratch()) Parts();
    if (variant_.method == Method::kPart) {
      Line("  for (" + index_ + " g = (" + index_ + ")GROUP_ID; g < outer * parts; g += (" +
           index_ + ")GROUP_COUNT) {");
      Line("    const " + index_ + " i = g / parts;");
      PartOf("(g % parts)");
    } else {
      Line("  for (" + index_ + " i = (" + index_ + ")GROUP_ID; i < outer; i += (" + index_ +
           ")GROUP_COUNT) {");
    }
    Outer("i", "    ");
    Start();
    if (variant_.method == Method::kMerge) {
      Line("    for (" + index_ + " j = LOCAL_ID; j < parts; j += LOCAL_SIZE)");
      Line("      s = merge_" + name_ + "(s, scratch[i * parts + j]);");
    } else if (variant_.method == Method::kPart) {
      Fold("begin + LOCAL_ID", "end", "LOCAL_SIZE");
    } else {
      Fold("LOCAL_ID", "inner", "LOCAL_SIZE");
    }
    Line("    shared[LOCAL_ID] = s;");
    Line("    BARRIER();");
    Line("    for (i32 width = LOCAL_SIZE / 2; width > 0; width /= 2) {");
    Line("      if (LOCAL_ID < width) shared[LOCAL_ID] = merge_" + name_ +
         "(shared[LOCAL_ID], shared[LOCAL_ID + width]);");
    Line("      BARRIER();");
    Line("    }");
    Line("    if (LOCAL_ID == 0) {");
    Line("      s = shared[0];");
    if (variant_.method == Method::kPart) {
      Line("      scratch[g] = s;");
    } else {
      Finish("      ");
    }
    Line("    }");
    Line("    BARRIER(); /* the next round overwrites `shared` */");
    Line("  }");
  }

  const TenonKernelDesc& desc_;
  const KernelInfo info_;
  const TenonProgram& last_;
  const std::string name_;
  const Variant variant_;
  const std::string index_;   // the type of positions
  const std::string launch_;  // before a field of the launch
  const bool f64_, runs_;
  std::vector<ReducerText> reducers_;
  std::string text_;
};

}  // namespace

std::string EmitKernel(const TenonKernelDesc& desc, const std::string& name, const Variant& variant,
                       const Target& target) {
  return Emitter(desc, name, variant, target).Emit();
}

}  // namespace tenon_codegen

#include "tenon/map/partition.h"

#include <algorithm>
#include <set>

#include "tenon/base/error.h"

namespace tenon::map {
namespace {

// A part before it is written down: the nodes at positions [begin, end), and what it delivers.
struct Plan {
  size_t begin, end;
  std::vector<uint32_t> outputs;  // numbers of the whole kernel's outputs
  bool reduces = false;           // the reducers and the epilogue
};

// Values divide into leaves (inputs, scalars, constants, the index), which every part that wants
// them fetches anew, and nodes, which one part computes and others get through a temporary. The
// nodes stay in the program's order; a part is an interval of them.
class Partitioner {
 public:
  Partitioner(const Kernel& kernel, const Limits& limits)
      : kernel_(kernel), program_(kernel.program), limits_(limits) {
    find_nodes();
    output_plan_.assign(kernel.is_reduction() ? 0 : program_.outputs.size(), kNone);
  }

  Partition run() {
    cut();
    if (!kernel_.is_reduction()) place_outputs();
    Partition result;
    temporary_.assign(program_.code.size(), kNone);
    for (const Plan& plan : plans_) result.parts.push_back(write_down(plan, &result.temporaries));
    return result;
  }

 private:
  static constexpr size_t kNone = ~size_t{0};

  struct Needs {
    std::set<uint64_t> inputs, scalars, epilogue_scalars;  // numbers
    std::set<ValueId> temporaries, other;                  // read from a temporary; CONST and INDEX
    size_t written = 0;                                    // temporaries and outputs
  };

  const TenonInstr& instr(size_t value) const { return program_.code[value]; }

  bool is_leaf(size_t value) const { return position_[value] == kNone; }

  std::vector<ValueId> operands(ValueId value) const {
    const TenonInstr& t = instr(value);
    const ValueId all[] = {t.a, t.b, t.c};
    return {all, all + opcode_arity(t.op)};
  }

  std::vector<ValueId> reducer_values() const {
    std::vector<ValueId> values;
    for (const TenonReducer& r : kernel_.reducers) {
      values.push_back(r.value);
      if (r.kind == TENON_ARGMIN || r.kind == TENON_ARGMAX) values.push_back(r.key);
    }
    return values;
  }

  void find_nodes() {
    const size_t count = program_.code.size();
    std::vector<char> alive(count), root(count);
    for (uint32_t output : program_.outputs) alive[output] = root[output] = true;
    for (ValueId value : reducer_values()) alive[value] = root[value] = true;
    for (size_t i = count; i-- > 0;) {
      if (!alive[i]) continue;
      for (ValueId operand : operands(static_cast<ValueId>(i))) alive[operand] = true;
    }
    position_.assign(count, kNone);
    last_use_.assign(count, 0);
    for (size_t i = 0; i < count; ++i) {
      // An input that is an output as well is a node, so as to be read before another output
      // overwrites it; a scalar if three that meet in one instruction are too many.
      const uint16_t op = instr(i).op;
      const bool leaf = op == TENON_OP_CONST || op == TENON_OP_INDEX ||
                        (op == TENON_OP_SCALAR && limits_.max_scalars >= 3) ||
                        (op == TENON_OP_INPUT && (!root[i] || kernel_.is_reduction()));
      if (!alive[i] || leaf) continue;
      position_[i] = nodes_.size();
      for (ValueId operand : operands(static_cast<ValueId>(i))) last_use_[operand] = position_[i];
      nodes_.push_back(static_cast<ValueId>(i));
    }
    for (size_t i = 0; i < count; ++i) {
      if (root[i]) last_use_[i] = nodes_.size();
    }
  }

  // A part that reads `value` but does not compute it.
  void fetch(ValueId value, Needs* needs) const {
    const TenonInstr& t = instr(value);
    if (!is_leaf(value)) {
      needs->temporaries.insert(value);
    } else if (t.op == TENON_OP_INPUT) {
      needs->inputs.insert(t.imm);
    } else if (t.op == TENON_OP_SCALAR) {
      needs->scalars.insert(t.imm);
    } else {
      needs->other.insert(value);
    }
  }

  void add_node(size_t begin, size_t at, Needs* needs) const {
    const ValueId value = nodes_[at];
    const TenonInstr& t = instr(value);
    if (t.op == TENON_OP_INPUT) needs->inputs.insert(t.imm);
    if (t.op == TENON_OP_SCALAR) needs->scalars.insert(t.imm);
    for (ValueId operand : operands(value)) {
      if (is_leaf(operand) || position_[operand] < begin) fetch(operand, needs);
    }
  }

  size_t instructions(const Needs& needs, size_t begin, size_t end) const {
    size_t count =
        needs.inputs.size() + needs.scalars.size() + needs.temporaries.size() + needs.other.size();
    for (size_t i = begin; i < end; ++i) {  // leaves that are nodes were counted already
      const uint16_t op = instr(nodes_[i]).op;
      if (op != TENON_OP_INPUT && op != TENON_OP_SCALAR) ++count;
    }
    return count;
  }

  std::set<uint64_t> slots(const Needs& needs) const {
    std::set<uint64_t> result = needs.scalars;
    result.insert(needs.epilogue_scalars.begin(), needs.epilogue_scalars.end());
    return result;
  }

  bool within_limits(const Needs& needs, size_t begin, size_t end) const {
    return needs.inputs.size() + needs.temporaries.size() + needs.written <= limits_.max_operands &&
           slots(needs).size() <= limits_.max_scalars &&
           instructions(needs, begin, end) <= limits_.max_instructions;
  }

  // Whether node `at` of `plan` is wanted outside of it.
  bool needs_temporary(const Plan& plan, size_t plan_number, size_t at) const {
    const ValueId value = nodes_[at];
    if (last_use_[value] < nodes_.size()) return last_use_[value] >= plan.end;
    if (kernel_.is_reduction()) return !plan.reduces;
    for (size_t i = 0; i < program_.outputs.size(); ++i) {
      if (program_.outputs[i] == value && output_plan_[i] != plan_number) return true;
    }
    for (size_t i = plan.end; i < nodes_.size(); ++i) {
      const auto read = operands(nodes_[i]);
      if (std::find(read.begin(), read.end(), value) != read.end()) return true;
    }
    return false;
  }

  Needs needs_of(const Plan& plan, size_t plan_number) const {
    Needs needs;
    for (size_t i = plan.begin; i < plan.end; ++i) {
      add_node(plan.begin, i, &needs);
      needs.written += needs_temporary(plan, plan_number, i);
    }
    auto deliver = [&](ValueId value) {
      if (is_leaf(value) || position_[value] < plan.begin || position_[value] >= plan.end)
        fetch(value, &needs);
    };
    for (uint32_t output : plan.outputs) deliver(static_cast<ValueId>(program_.outputs[output]));
    needs.written += plan.outputs.size();
    if (plan.reduces) {
      for (ValueId value : reducer_values()) deliver(value);
      for (const TenonInstr& t : kernel_.epilogue.code) {
        if (t.op == TENON_OP_SCALAR) needs.epilogue_scalars.insert(t.imm);
      }
      needs.written += kernel_.epilogue.outputs.size();
    }
    return needs;
  }

  // Takes as many nodes as fit, then goes back by up to half of them to where fewest values cross
  // the cut.
  size_t end_of_part(size_t begin) const {
    Needs needs;
    std::vector<std::pair<size_t, size_t>> candidates;  // end, values that cross
    for (size_t at = begin; at < nodes_.size() && at - begin < limits_.max_instructions; ++at) {
      add_node(begin, at, &needs);
      ++needs.written;
      std::set<ValueId> finished;
      for (ValueId operand : operands(nodes_[at])) {
        if (!is_leaf(operand) && position_[operand] >= begin && last_use_[operand] == at)
          finished.insert(operand);
      }
      needs.written -= finished.size();
      if (within_limits(needs, begin, at + 1)) candidates.emplace_back(at + 1, needs.written);
    }
    TENON_ASSERT(!candidates.empty());  // one instruction fits four operands and four instructions
    const size_t longest = candidates.back().first - begin;
    auto best = candidates.back();
    for (auto candidate : candidates) {
      const bool long_enough = candidate.first - begin >= longest - longest / 2;
      if (long_enough && candidate.second < best.second) best = candidate;
    }
    return best.first;
  }

  void cut() {
    size_t begin = 0;
    while (true) {
      if (kernel_.is_reduction()) {
        const Plan rest{begin, nodes_.size(), {}, true};
        if (within_limits(needs_of(rest, plans_.size()), begin, nodes_.size())) {
          plans_.push_back(rest);
          return;
        }
        if (begin == nodes_.size()) {
          fail(ErrorCode::kUnsupported, kernel_.name, "a reduction of ", kernel_.reducers.size(),
               " values into ", kernel_.epilogue.outputs.size(),
               " outputs exceeds this device's limits (", limits_.max_operands, " operands, ",
               limits_.max_instructions, " instructions, ", limits_.max_scalars,
               " scalars); reduce in several calls");
        }
      }
      if (begin == nodes_.size()) return;
      const size_t end = end_of_part(begin);
      plans_.push_back({begin, end, {}});
      begin = end;
    }
  }

  // An output may be the memory of any input, so none is written before the last part that reads an
  // input. Preferably the part that computes a value also delivers it; else a later part with room
  // copies it.
  void place_outputs() {
    size_t first_allowed = 0;
    for (size_t p = 0; p < plans_.size(); ++p) {
      if (!needs_of(plans_[p], p).inputs.empty()) first_allowed = p;
    }
    for (bool at_home : {true, false}) {
      for (uint32_t i = 0; i < program_.outputs.size(); ++i) {
        const size_t position = position_[program_.outputs[i]];
        for (size_t p = first_allowed; p < plans_.size() && output_plan_[i] == kNone; ++p) {
          const bool home = plans_[p].begin <= position && position < plans_[p].end;
          const bool computed = position == kNone || position < plans_[p].end;
          if (at_home ? home : computed) try_output(i, p);
        }
        if (!at_home && output_plan_[i] == kNone) {
          plans_.push_back({nodes_.size(), nodes_.size(), {}});
          try_output(i, plans_.size() - 1);
          TENON_ASSERT(output_plan_[i] != kNone);
        }
      }
    }
  }

  void try_output(uint32_t output, size_t p) {
    plans_[p].outputs.push_back(output);
    output_plan_[output] = p;
    if (within_limits(needs_of(plans_[p], p), plans_[p].begin, plans_[p].end)) return;
    plans_[p].outputs.pop_back();
    output_plan_[output] = kNone;
  }

  Part write_down(const Plan& plan, std::vector<DType>* temporaries) {
    const size_t number = static_cast<size_t>(&plan - plans_.data());
    const Needs needs = needs_of(plan, number);
    Part part;
    part.kernel.name = kernel_.name;
    Program& p = part.kernel.program;
    std::vector<ValueId> renumbered(program_.code.size(), kNoValue);
    auto append = [&p](const TenonInstr& t) {
      p.code.push_back(t);
      return static_cast<ValueId>(p.code.size() - 1);
    };
    auto input = [&](PartOperand from, DType dtype) {
      part.inputs.push_back(from);
      p.inputs.push_back(dtype);
      TenonInstr t{};
      t.op = TENON_OP_INPUT;
      t.dtype = static_cast<uint16_t>(dtype);
      t.imm = p.inputs.size() - 1;
      return append(t);
    };

    std::vector<ValueId> of_input(program_.inputs.size());
    for (uint64_t i : needs.inputs)
      of_input[i] = input({false, static_cast<uint32_t>(i)}, program_.inputs[i]);
    for (ValueId value : needs.temporaries) {
      renumbered[value] = input({true, static_cast<uint32_t>(temporary_[value])},
                                static_cast<DType>(instr(value).dtype));
    }
    std::vector<uint32_t> slot(kernel_.scalar_count());
    for (uint64_t i : slots(needs)) {
      slot[i] = static_cast<uint32_t>(part.scalars.size());
      part.scalars.push_back(static_cast<uint32_t>(i));
      p.scalars.push_back(i < program_.scalars.size() ? program_.scalars[i]
                                                      : kernel_.epilogue.scalars[i]);
    }
    for (size_t i = 0; i < program_.code.size(); ++i) {
      if (instr(i).op == TENON_OP_INPUT && needs.inputs.contains(instr(i).imm) &&
          renumbered[i] == kNoValue) {
        renumbered[i] = of_input[instr(i).imm];
      } else if (instr(i).op == TENON_OP_SCALAR && needs.scalars.contains(instr(i).imm) &&
                 renumbered[i] == kNoValue) {
        TenonInstr t = instr(i);
        t.imm = slot[t.imm];
        renumbered[i] = append(t);
      }
    }
    // Constants, the index and the nodes in the program's order.
    for (size_t i = 0; i < program_.code.size(); ++i) {
      const bool here = !is_leaf(i) && position_[i] >= plan.begin && position_[i] < plan.end;
      if (renumbered[i] != kNoValue || !(here || needs.other.contains(static_cast<ValueId>(i))))
        continue;
      TenonInstr t = instr(i);
      ValueId* fields[] = {&t.a, &t.b, &t.c};
      for (int k = 0; k < opcode_arity(t.op); ++k) *fields[k] = renumbered[*fields[k]];
      renumbered[i] = append(t);
    }

    for (size_t i = plan.begin; i < plan.end; ++i) {
      if (!needs_temporary(plan, number, i)) continue;
      const ValueId value = nodes_[i];
      temporary_[value] = temporaries->size();
      part.outputs.push_back({true, static_cast<uint32_t>(temporaries->size())});
      temporaries->push_back(static_cast<DType>(instr(value).dtype));
      p.outputs.push_back(renumbered[value]);
    }
    for (uint32_t output : plan.outputs) {
      part.outputs.push_back({false, output});
      p.outputs.push_back(renumbered[program_.outputs[output]]);
    }
    if (plan.reduces) write_reduction(&part, renumbered, slot);
    return part;
  }

  void write_reduction(Part* part, const std::vector<ValueId>& renumbered,
                       const std::vector<uint32_t>& slot) const {
    part->kernel.reducers = kernel_.reducers;
    for (TenonReducer& r : part->kernel.reducers) {
      r.value = renumbered[r.value];
      if (r.kind == TENON_ARGMIN || r.kind == TENON_ARGMAX) r.key = renumbered[r.key];
    }
    part->kernel.epilogue = kernel_.epilogue;
    part->kernel.epilogue.scalars = part->kernel.program.scalars;
    for (TenonInstr& t : part->kernel.epilogue.code) {
      if (t.op == TENON_OP_SCALAR) t.imm = slot[t.imm];
    }
    for (uint32_t i = 0; i < kernel_.epilogue.outputs.size(); ++i)
      part->outputs.push_back({false, i});
  }

  const Kernel& kernel_;
  const Program& program_;
  const Limits limits_;
  std::vector<ValueId> nodes_;
  std::vector<size_t> position_;  // of a value among the nodes; kNone: a leaf
  std::vector<size_t>
      last_use_;  // position of the last node that reads a value; nodes_.size(): an output
  std::vector<Plan> plans_;
  std::vector<size_t> output_plan_;  // which plan delivers an output
  std::vector<size_t> temporary_;    // of a value
};

bool fits_program(const Program& program, size_t outputs, const Limits& limits) {
  return program.inputs.size() + outputs <= limits.max_operands &&
         program.code.size() <= limits.max_instructions &&
         program.scalars.size() <= limits.max_scalars;
}

}  // namespace

bool fits(const Kernel& kernel, const Limits& limits) {
  const size_t outputs = kernel.output_count();
  return fits_program(kernel.program, outputs, limits) &&
         (!kernel.is_reduction() || fits_program(kernel.epilogue, outputs, limits));
}

Partition partition(const Kernel& kernel, const Limits& limits) {
  if (limits.max_operands < 4 || limits.max_instructions < 4 || limits.max_scalars < 1) {
    fail(ErrorCode::kUnsupported, kernel.name, "a device that takes ", limits.max_operands,
         " operands, ", limits.max_instructions, " instructions and ", limits.max_scalars,
         " scalars is too small; the ABI promises 8, 32 and 4");
  }
  if (kernel.is_reduction() && !fits_program(kernel.epilogue, kernel.output_count(), limits)) {
    fail(ErrorCode::kUnsupported, kernel.name,
         "the epilogue of the reduction exceeds this device's limits (", limits.max_operands,
         " operands, ", limits.max_instructions, " instructions, ", limits.max_scalars,
         " scalars); compute it in a call of its own");
  }
  if (!fits(kernel, limits)) return Partitioner(kernel, limits).run();

  Partition whole;
  Part& part = whole.parts.emplace_back();
  part.kernel = kernel;
  for (uint32_t i = 0; i < kernel.input_count(); ++i) part.inputs.push_back({false, i});
  for (uint32_t i = 0; i < kernel.output_count(); ++i) part.outputs.push_back({false, i});
  for (uint32_t i = 0; i < kernel.scalar_count(); ++i) part.scalars.push_back(i);
  return whole;
}

}  // namespace tenon::map

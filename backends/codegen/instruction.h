// The body of a kernel: one line per instruction of a program.
#ifndef TENON_BACKENDS_CODEGEN_INSTRUCTION_H_
#define TENON_BACKENDS_CODEGEN_INSTRUCTION_H_

#include <string>
#include <vector>

#include "tenon/abi/tenon_backend.h"

namespace tenon_codegen {

// "    const f32 v2 = add_f32(v0, v1);" for every instruction. Value i is called <prefix>i; INPUT
// number k reads the expression inputs[k], INDEX the expression `index`; `launch` stands before a
// field of the launch.
std::string EmitProgram(const TenonProgram& program, const std::string& prefix,
                        const std::vector<std::string>& inputs, const std::string& launch,
                        const std::string& index, const std::string& indent);

}  // namespace tenon_codegen

#endif  // TENON_BACKENDS_CODEGEN_INSTRUCTION_H_

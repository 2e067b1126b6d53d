// Writes the generated kernels of all samples as C++ for the host:
//   generate_host_kernels > kernels.inc
#include <cstdio>
#include <string>

#include "tenon/backends/codegen/emit.h"
#include "tenon/backends/codegen/prelude.h"
#include "tests/cuda/samples.h"

namespace {

using tenon_codegen::KernelSource;

// Calls a kernel as a driver does: pointers to the arguments.
std::string Caller(const KernelSource& source, const std::string& name,
                   const std::string& variant) {
  std::string text = "static void call_" + name + variant + "(void* const* arguments) {\n  " +
                     name + variant + "(";
  size_t k = 0;
  for (; k < source.operand_dtypes.size(); ++k) {
    const std::string type = tenon_codegen::TypeName(source.operand_dtypes[k]);
    text += "*static_cast<" + type + "* const*>(arguments[" + std::to_string(k) + "]), ";
  }
  return text + "*static_cast<const Launch_" + name + "*>(arguments[" + std::to_string(k) +
         "]));\n}\n\n";
}

}  // namespace

int main() {
  std::string text = tenon_codegen::kCommonPrelude, table;
  for (const Sample& sample : MakeSamples()) {
    const KernelSource source = tenon_codegen::EmitKernel(sample.text->desc, sample.name);
    const std::string simple = source.reduces ? "_thread" : "_flat",
                      general = source.reduces ? "_group" : "_strided";
    text +=
        source.text + Caller(source, sample.name, simple) + Caller(source, sample.name, general);
    table += "    {\"" + sample.name + "\", call_" + sample.name + simple + ", call_" +
             sample.name + general + "},\n";
  }
  std::printf("%sconstexpr HostKernel kHostKernels[] = {\n%s};\n", text.c_str(), table.c_str());
  return 0;
}

// An NVRTC for tests, in the same library as the fake driver: the host's g++ compiles the kernels,
// with host_prelude.h in the place of CUDA's prelude, and the fake driver runs them. So core's own
// tests run on the CUDA plug-in without a GPU (core_on_fake.sh).
//
// Needs the sources: TENON_FAKE_INCLUDE holds the -I options. Without it there is no such compiler
// (nvrtcVersion fails) and the plug-in says so.
#include <nvrtc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#define API extern "C" __attribute__((visibility("default")))

struct _nvrtcProgram {
  std::string source, image, log;
};

namespace {

// "KERNEL name(type a, type b) {" as a function that takes pointers to the arguments.
std::string Callers(const std::string& source) {
  std::string text;
  for (size_t at = source.find("\nKERNEL "); at != std::string::npos;
       at = source.find("\nKERNEL ", at + 1)) {
    const size_t open = source.find('(', at), close = source.find(") {", open);
    const std::string name = source.substr(at + 8, open - at - 8);
    text += "KERNEL call_" + name + "(void* const* arguments) {\n  " + name + "(";
    std::stringstream parameters(source.substr(open + 1, close - open - 1));
    std::string parameter;
    for (int k = 0; std::getline(parameters, parameter, ','); ++k) {
      const std::string type = parameter.substr(0, parameter.rfind(' '));
      text += (k != 0 ? ", " : "") + ("*static_cast<std::remove_const_t<" + type +
                                      ">*>(arguments[" + std::to_string(k) + "])");
    }
    text += ");\n}\n";
  }
  return text;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

API nvrtcResult nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 99;  // no real one's code is taken for this one's
  return std::getenv("TENON_FAKE_INCLUDE") != nullptr ? NVRTC_SUCCESS : NVRTC_ERROR_INTERNAL_ERROR;
}
API const char* nvrtcGetErrorString(nvrtcResult result) {
  return result == NVRTC_SUCCESS ? "NVRTC_SUCCESS" : "NVRTC_ERROR_COMPILATION";
}
API nvrtcResult nvrtcGetNumSupportedArchs(int* count) {
  *count = 2;
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcGetSupportedArchs(int* archs) {
  archs[0] = 80;
  archs[1] = 90;
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcCreateProgram(nvrtcProgram* program, const char* source, const char*, int,
                                   const char* const*, const char* const*) {
  *program = new _nvrtcProgram{source, "", ""};
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcDestroyProgram(nvrtcProgram* program) {
  delete *program;
  *program = nullptr;
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int, const char* const*) {
  char directory[] = "/tmp/tenon_fake_nvrtc_XXXXXX";
  if (mkdtemp(directory) == nullptr) return NVRTC_ERROR_OUT_OF_MEMORY;
  const std::string base = std::string(directory) + "/k";
  const size_t common = program->source.find("// ---- dtypes ----");
  std::ofstream(base + ".cc") << "#include <type_traits>\n#include \"tests/cuda/host_prelude.h\"\n"
                              << program->source.substr(common) << Callers(program->source);
  const std::string command = "g++ -std=c++20 -O1 -ffp-contract=off -w -shared -fPIC " +
                              std::string(std::getenv("TENON_FAKE_INCLUDE")) + " " + base +
                              ".cc -o " + base + ".so > " + base + ".log 2>&1";
  const bool compiled = std::system(command.c_str()) == 0;
  program->image = compiled ? ReadFile(base + ".so") : "";
  program->log = ReadFile(base + ".log");
  std::filesystem::remove_all(directory);
  return compiled ? NVRTC_SUCCESS : NVRTC_ERROR_COMPILATION;
}
API nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t* bytes) {
  *bytes = program->log.size() + 1;
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char* log) {
  program->log.copy(log, program->log.size());
  log[program->log.size()] = '\0';
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t* bytes) {
  *bytes = program->image.size();
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char* image) {
  program->image.copy(image, program->image.size());
  return NVRTC_SUCCESS;
}
API nvrtcResult nvrtcGetPTXSize(nvrtcProgram program, size_t* bytes) {
  return nvrtcGetCUBINSize(program, bytes);
}
API nvrtcResult nvrtcGetPTX(nvrtcProgram program, char* image) {
  return nvrtcGetCUBIN(program, image);
}

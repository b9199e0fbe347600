// A QNN client in C: loads a backend library, composes the pilot graph, runs it, stores and loads its context, and checks every number.
//   softhtp_client LIBRARY       exit code 0 when all is right, else 1 and one line on stderr
#include "qnn.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 37, KEYS = 91, DIM = 64, SHIFT = 6 };

static char lastLog[512];
static int logged;

static void collect(const char *format, QnnLog_Level_t level, uint64_t timestamp, va_list arguments) {
  (void)level;
  (void)timestamp;
  vsnprintf(lastLog, sizeof lastLog, format, arguments);
  logged++;
}

#define CHECK(condition, ...)                  \
  do {                                         \
    if (!(condition)) {                        \
      fprintf(stderr, "line %d: ", __LINE__);  \
      fprintf(stderr, __VA_ARGS__);            \
      fprintf(stderr, " (log: %s)\n", lastLog); \
      exit(1);                                 \
    }                                          \
  } while (0)

#define OK(call)                                                                    \
  do {                                                                              \
    unsigned long long status_ = (call);                                            \
    CHECK(status_ == QNN_SUCCESS, "%s returned %llu", #call, status_);              \
  } while (0)

#define RETURNS(expected, call)                                                                  \
  do {                                                                                           \
    unsigned long long status_ = (call);                                                         \
    CHECK(status_ == (expected), "%s returned %llu, expected %llu", #call, status_,              \
          (unsigned long long)(expected));                                                       \
  } while (0)

static Qnn_Tensor_t tensor(const char *name, Qnn_TensorType_t type, uint32_t *dimensions, float scale) {
  Qnn_Tensor_t t;
  memset(&t, 0, sizeof t);
  t.version = QNN_TENSOR_VERSION_1;
  t.v1.name = name;
  t.v1.type = type;
  t.v1.dataType = QNN_DATATYPE_SFIXED_POINT_8;
  t.v1.quantizeParams.encodingDefinition = QNN_DEFINITION_DEFINED;
  t.v1.quantizeParams.quantizationEncoding = QNN_QUANTIZATION_ENCODING_SCALE_OFFSET;
  t.v1.quantizeParams.scaleOffsetEncoding.scale = scale;
  t.v1.rank = 4;
  t.v1.dimensions = dimensions;
  return t;
}

static void give(Qnn_Tensor_t *t, void *data, uint32_t bytes) {
  t->v1.memType = QNN_TENSORMEMTYPE_RAW;
  t->v1.clientBuf.data = data;
  t->v1.clientBuf.dataSize = bytes;
}

int main(int count, char **arguments) {
  CHECK(count == 2, "usage: softhtp_client LIBRARY");
  void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  CHECK(library != NULL, "%s", dlerror());

  Qnn_ErrorHandle_t (*getProviders)(const QnnInterface_t ***, uint32_t *);
  *(void **)&getProviders = dlsym(library, "QnnInterface_getProviders");
  CHECK(getProviders != NULL, "no QnnInterface_getProviders");
  const QnnInterface_t **providers = NULL;
  uint32_t providerCount = 0;
  OK(getProviders(&providers, &providerCount));
  CHECK(providerCount == 1 && providers[0]->apiVersion.coreApiVersion.major == 2, "%u providers", providerCount);
  RETURNS(QNN_INTERFACE_ERROR_INVALID_PARAMETER, getProviders(NULL, &providerCount));
  const QnnInterface_ImplementationV2_32_t *q = &providers[0]->v2_32;

  Qnn_LogHandle_t log = NULL;
  Qnn_BackendHandle_t backend = NULL;
  Qnn_DeviceHandle_t device = NULL;
  Qnn_ContextHandle_t context = NULL;
  OK(q->logCreate(collect, QNN_LOG_LEVEL_ERROR, &log));
  OK(q->backendCreate(log, NULL, &backend));
  OK(q->deviceCreate(log, NULL, &device));
  OK(q->contextCreate(backend, device, NULL, &context));
  const char *build = NULL;
  OK(q->backendGetBuildId(&build));
  printf("%s, %s\n", providers[0]->providerName, build);

  static int8_t queries[ROWS * DIM], keys[KEYS * DIM], scores[ROWS * KEYS];
  unsigned state = 12345;
  for (int i = 0; i < ROWS * DIM; i++) queries[i] = (int8_t)((state = state * 1664525u + 1013904223u) >> 24);
  for (int i = 0; i < KEYS * DIM; i++) keys[i] = (int8_t)((state = state * 1664525u + 1013904223u) >> 24);

  uint32_t queryShape[] = {1, 1, ROWS, DIM}, keyShape[] = {1, 1, KEYS, DIM}, scoreShape[] = {1, 1, ROWS, KEYS};
  Qnn_Tensor_t inputs[] = {
      tensor("queries", QNN_TENSOR_TYPE_APP_WRITE, queryShape, 1),
      tensor("keys", QNN_TENSOR_TYPE_APP_WRITE, keyShape, 1),
  };
  Qnn_Tensor_t output = tensor("scores", QNN_TENSOR_TYPE_APP_READ, scoreShape, 1 << SHIFT);
  Qnn_GraphHandle_t graph = NULL;
  OK(q->graphCreate(context, "pilot", NULL, &graph));
  OK(q->tensorCreateGraphTensor(graph, &inputs[0]));
  OK(q->tensorCreateGraphTensor(graph, &inputs[1]));
  OK(q->tensorCreateGraphTensor(graph, &output));

  Qnn_Param_t transpose;
  memset(&transpose, 0, sizeof transpose);
  transpose.paramType = QNN_PARAMTYPE_SCALAR;
  transpose.name = QNN_OP_MAT_MUL_PARAM_TRANSPOSE_IN1;
  transpose.scalarParam.dataType = QNN_DATATYPE_BOOL_8;
  transpose.scalarParam.bool8Value = 1;
  Qnn_OpConfig_t op;
  memset(&op, 0, sizeof op);
  op.version = QNN_OPCONFIG_VERSION_1;
  op.v1.name = "scores_of_queries";
  op.v1.packageName = QNN_OP_PACKAGE_NAME_QTI_AISW;
  op.v1.typeName = QNN_OP_MAT_MUL;
  op.v1.numOfInputs = 2;
  op.v1.inputTensors = inputs;
  op.v1.numOfOutputs = 1;
  op.v1.outputTensors = &output;
  // Without the flag the shapes do not fit: refused, and the log says why, with its % signs intact.
  RETURNS(QNN_OP_PACKAGE_ERROR_VALIDATION_FAILURE, q->backendValidateOpConfig(backend, op));
  CHECK(logged == 1 && strstr(lastLog, "[1, 1, 91, 64]") != NULL, "the log does not name the shapes");
  op.v1.name = "100%s";
  RETURNS(QNN_GRAPH_ERROR_INVALID_OP_CONFIG, q->graphAddNode(graph, op));
  CHECK(strstr(lastLog, "100%s") != NULL, "the log does not name the node");
  op.v1.name = "scores_of_queries";
  op.v1.numOfParams = 1;
  op.v1.params = &transpose;
  OK(q->backendValidateOpConfig(backend, op));
  OK(q->graphAddNode(graph, op));
  OK(q->graphFinalize(graph, NULL, NULL));

  give(&inputs[0], queries, sizeof queries);
  give(&inputs[1], keys, sizeof keys);
  give(&output, scores, sizeof scores);
  Qnn_ProfileHandle_t profile = NULL;
  OK(q->profileCreate(backend, QNN_PROFILE_LEVEL_BASIC, &profile));
  OK(q->graphExecute(graph, inputs, 2, &output, 1, profile, NULL));
  for (int row = 0; row < ROWS; row++) {
    for (int key = 0; key < KEYS; key++) {
      int sum = 0;
      for (int d = 0; d < DIM; d++) sum += queries[row * DIM + d] * keys[key * DIM + d];
      int expected = (sum + (1 << (SHIFT - 1))) >> SHIFT;
      expected = expected > 127 ? 127 : expected < -128 ? -128 : expected;
      CHECK(scores[row * KEYS + key] == expected, "[%d, %d]: %d, expected %d", row, key, scores[row * KEYS + key], expected);
    }
  }
  const QnnProfile_EventId_t *events = NULL;
  uint32_t eventCount = 0;
  OK(q->profileGetEvents(profile, &events, &eventCount));
  CHECK(eventCount > 0, "no profiling events");
  QnnProfile_EventData_t event;
  OK(q->profileGetEventData(events[eventCount - 1], &event));
  CHECK(event.type == QNN_PROFILE_EVENTTYPE_EXECUTE, "event of type %u", event.type);

  // What goes wrong has its code, and the graph works on.
  give(&inputs[1], keys, sizeof keys - 1);
  RETURNS(QNN_GRAPH_ERROR_INVALID_TENSOR, q->graphExecute(graph, inputs, 2, &output, 1, NULL, NULL));
  give(&inputs[1], keys, sizeof keys);
  RETURNS(QNN_GRAPH_ERROR_INVALID_HANDLE, q->graphExecute(context, inputs, 2, &output, 1, NULL, NULL));

  // Through a binary, with tensor ids as the system interface reads them.
  uint64_t bytes = 0, written = 0;
  OK(q->contextGetBinarySize(context, &bytes));
  unsigned char *binary = malloc(bytes);
  OK(q->contextGetBinary(context, binary, bytes, &written));
  OK(q->contextFree(context, NULL));
  RETURNS(QNN_CONTEXT_ERROR_INVALID_HANDLE, q->contextFree(context, NULL));
  Qnn_ErrorHandle_t (*getSystem)(const QnnSystemInterface_t ***, uint32_t *);
  *(void **)&getSystem = dlsym(library, "QnnSystemInterface_getProviders");
  CHECK(getSystem != NULL, "no QnnSystemInterface_getProviders");
  const QnnSystemInterface_t **systems = NULL;
  uint32_t systemCount = 0;
  OK(getSystem(&systems, &systemCount));
  QnnSystemContext_Handle_t system = NULL;
  const QnnSystemContext_BinaryInfo_t *info = NULL;
  OK(systems[0]->v1_7.systemContextCreate(&system));
  OK(systems[0]->v1_7.systemContextGetMetaData(system, binary, written, &info));
  CHECK(info->contextBinaryInfoV3.numGraphs == 1, "%u graphs", info->contextBinaryInfoV3.numGraphs);
  const QnnSystemContext_GraphInfoV3_t *described = &info->contextBinaryInfoV3.graphs[0].graphInfoV3;
  CHECK(described->numGraphInputs == 2 && strcmp(described->graphInputs[1].v1.name, "keys") == 0, "inputs are described wrongly");
  inputs[0].v1.id = described->graphInputs[0].v1.id;
  inputs[1].v1.id = described->graphInputs[1].v1.id;
  output.v1.id = described->graphOutputs[0].v1.id;
  OK(q->contextCreateFromBinary(backend, device, NULL, binary, written, &context, NULL));
  OK(q->graphRetrieve(context, described->graphName, &graph));
  OK(systems[0]->v1_7.systemContextFree(system));
  static int8_t again[ROWS * KEYS];
  give(&output, again, sizeof again);
  OK(q->graphExecute(graph, inputs, 2, &output, 1, NULL, NULL));
  CHECK(memcmp(scores, again, sizeof scores) == 0, "the loaded context computes something else");
  binary[written / 2] ^= 1;
  Qnn_ContextHandle_t damaged = NULL;
  RETURNS(QNN_SYSTEM_CONTEXT_ERROR_MALFORMED_BINARY, q->contextCreateFromBinary(backend, device, NULL, binary, written, &damaged, NULL));
  free(binary);

  OK(q->profileFree(profile));
  OK(q->contextFree(context, NULL));
  OK(q->deviceFree(device));
  OK(q->backendFree(backend));
  OK(q->logFree(log));
  RETURNS(QNN_BACKEND_ERROR_INVALID_HANDLE, q->backendFree(backend));
  puts("all right");
  return 0;
}

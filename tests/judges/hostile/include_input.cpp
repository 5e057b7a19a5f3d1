// expect: compile_error
#include "/dev/stdin"

// expect: compile_error
// g++ quotes the line of the file that it takes the error to be in.
#line 1 "@HOME@/precious.txt"
int x = unknown;

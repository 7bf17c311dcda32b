export function answerOpenApi(_request: Request): Response {
  return new Response('{}');
}
